"""A whole clip through the pipeline: a session whose frames come from a file."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from model.values import Frame, Region
from service.auth.api_keys import ANYONE, NO_LIMITS, Caller
from service.config import Settings
from service.contract.messages import ClipInfo, FrameResult, SessionOptions
from service.errors import SessionExpired, SessionUnknown, StoreUnavailable
from service.media.limits import ClipLimits
from service.media.opened import OpenClip, OpenedClip
from service.pipeline.pipeline import Pipeline
from service.pipeline.request import ClipFile

READ_AHEAD = 2
"""Frames decoded before they are needed: decoding and computing overlap, and a clip holds no more memory."""

NOTHING_KNOWN = ClipInfo(frames_declared=None, frames_decoded=0, frames_emitted=0, duration_us=None, codec="")


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What a client asks of a clip.

    Attributes:
        model: name of the model; None means the server's default.
        regions: boxes of people in the first frame, original pixels; whoever has none is looked for.
        strict: a damaged place or a change of size ends the clip with an error, and is not told in `gaps`.
        max_people: how many people are followed.
    """

    model: str | None = None
    regions: tuple[Region, ...] = ()
    strict: bool = False
    max_people: int = 1


class ClipRun:
    """One pass over a clip: `async for result in run`, once. Memory does not grow with the clip.

    The session is opened with the first result and closed at the end, on failure and on cancellation; who
    stops early calls `aclose()`.

    Args:
        pipeline: computes its frames.
        path, options: the clip, and what is asked of it.
        open_clip: reads it; a server does that in a process of its own.
        caller: whose it is.

    Attributes:
        info: what is known of the clip so far.
        session_id: the clip's session; None before the first result.

    Raises, from the iteration:
        BadClip, UnsupportedMedia, ClipTooLong, ImageTooLarge, FrameSizeChanged: as `service.media.video` does. The
            results before the place have been given by then.
        KineposeError: what the pipeline says of a session or frame.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        path: Path,
        options: ClipOptions,
        open_clip: OpenClip,
        caller: Caller = ANYONE,
    ) -> None:
        self.info = NOTHING_KNOWN
        self.session_id: str | None = None
        self._pipeline = pipeline
        self._path = path
        self._options = options
        self._caller = replace(caller, limits=NO_LIMITS)  # Its session counts as a clip alone.
        self._open_clip = open_clip
        self._results = self._run()

    def __aiter__(self) -> AsyncIterator[FrameResult]:
        return self._results

    async def aclose(self) -> None:
        """Stop, and close the clip and its session."""
        await self._results.aclose()

    async def _run(self) -> AsyncGenerator[FrameResult, None]:
        limits = clip_limits(self._pipeline.settings)
        opening = partial(self._open_clip, self._path, limits, strict=self._options.strict)
        async with _reading(opening) as (video, frames):
            self.info = known_of(video)
            size = (await asyncio.to_thread(self._path.stat)).st_size
            clip = ClipFile(self._path, size)
            async with self._session() as session_id:
                async for result in self._estimate(session_id, clip, video, frames):
                    yield result
            self.info = brought_up_to(self.info, video)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[str]:
        # A client that is slow to take results must not let the session expire: it is closed here anyway.
        ttl_s = self._pipeline.settings.max_session_ttl_s
        options = SessionOptions(self._options.model, ttl_s=ttl_s, max_people=self._options.max_people)
        session = await self._pipeline.sessions.create(options, caller=self._caller)
        self.session_id = session.session_id
        try:
            yield session.session_id
        finally:
            # Gone already, which is what was wanted; or about to expire.
            with suppress(SessionExpired, SessionUnknown, StoreUnavailable):
                await self._pipeline.sessions.close(session.session_id, caller=self._caller)

    async def _estimate(
        self, session_id: str, clip: ClipFile, video: OpenedClip, frames: AsyncIterator[Frame]
    ) -> AsyncIterator[FrameResult]:
        seq = 0
        async for frame in frames:
            self.info = brought_up_to(self.info, video, decoded=1)
            regions = video.shape.regions_to_frame(self._options.regions) if seq == 0 else ()
            result = await self._pipeline.frames.estimate_decoded(
                session_id, seq, frame, regions, clip=clip, caller=self._caller
            )
            self.info = replace(self.info, frames_emitted=self.info.frames_emitted + 1)
            yield video.shape.result_to_stored(result)
            seq += 1


def clip_limits(settings: Settings) -> ClipLimits:
    """What a server reads of a clip."""
    return ClipLimits(settings.max_clip_s, settings.max_clip_frames, settings.max_image_pixels)


def known_of(video: OpenedClip) -> ClipInfo:
    """What is known of a clip before its first frame."""
    return replace(
        NOTHING_KNOWN,
        frames_declared=video.frames_declared,
        duration_us=video.duration_us,
        codec=video.codec,
        pixel_aspect=float(video.shape.pixel_aspect),
    )


def brought_up_to(info: ClipInfo, video: OpenedClip, decoded: int = 0) -> ClipInfo:
    """The clip's facts after some more frames."""
    return replace(
        info,
        frames_decoded=info.frames_decoded + decoded,
        duration_us=video.duration_us,
        start_us=video.start_us,
        gaps=video.gaps,
    )


@asynccontextmanager
async def _reading(
    open_clip: Callable[[], AbstractContextManager[OpenedClip]],
) -> AsyncIterator[tuple[OpenedClip, AsyncIterator[Frame]]]:
    """The opened clip and its frames, decoded in their own thread, READ_AHEAD frames in front."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="clip")
    opened = ExitStack()
    ahead: deque[Future[Frame | None]] = deque()
    try:
        opening = thread.submit(lambda: opened.enter_context(open_clip()))
        video = await asyncio.wrap_future(opening)
        # Closed before the clip is, and in this thread: FFmpeg's demuxer must not outlive its file.
        frames = opened.enter_context(closing(iter(video)))
        for _ in range(READ_AHEAD):
            ahead.append(_submit_next(thread, frames))
        yield video, _taken(thread, frames, ahead)
    finally:
        for future in ahead:
            future.cancel()
        # Behind whatever the thread is doing now; nobody waits for it.
        thread.submit(opened.close)
        thread.shutdown(wait=False)


async def _taken(
    thread: ThreadPoolExecutor, frames: Iterator[Frame], ahead: deque[Future[Frame | None]]
) -> AsyncIterator[Frame]:
    while (frame := await asyncio.wrap_future(ahead.popleft())) is not None:
        ahead.append(_submit_next(thread, frames))
        yield frame


def _submit_next(thread: ThreadPoolExecutor, frames: Iterator[Frame]) -> Future[Frame | None]:
    return thread.submit(lambda: next(frames, None))
