"""A worker's side of clips: their files, as they come in parts, and their frames, decoded here from them.

ClipFiles          all clips whose frames come to this worker
  ReceivedClip     one: its file, and the process that reads it

A frame that is decoded here has the pixels that its frontend has: both decode the same file by the same code, and the
times of their frames are compared. Whatever goes wrong here, the frame's pixels are asked for instead.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from model.values import Frame
from service.config import Settings
from service.errors import BadClip, KineposeError
from service.media.limits import NO_LIMIT_ON_TIME, ClipLimits
from service.media.readers import ClipReaders
from service.media.scratch import scratch_folder
from service.pipeline.request import FrameRequest
from service.redis.codec import ClipPart, Wanted

log = logging.getLogger(__name__)

PIXELS: Final = Wanted(None)
IDLE_S: Final = 30.0
"""A clip of which no frame came for so long is let go; should one come still, its file comes again."""
CATCH_UP_S: Final = 5.0
"""A worker that takes a clip over decodes it from its beginning: for so long in one go, then it waits to be asked."""
IDLE_READERS: Final = 1


@dataclass(eq=False)
class ReceivedClip:
    """One clip. All methods block, and wait for each other.

    Attributes:
        path: of its file here.
        size: of the whole file, bytes.
        used_at: `time.monotonic()` at which its last frame was asked for.
    """

    path: Path
    size: int
    readers: ClipReaders
    limits: ClipLimits
    used_at: float = field(default_factory=time.monotonic)
    _have: int = 0
    _failed: bool = False
    _given: int = 0
    _last: Frame | None = None
    _frames: Iterator[Frame] | None = None
    _opened: ExitStack = field(default_factory=ExitStack)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def frame(self, part: ClipPart, seq: int, pts_us: int | None) -> Frame | Wanted:
        """The frame of this number, with its file's next part; or what is wanted first."""
        with self._lock:
            try:
                return self._found(part, seq, pts_us)
            except (KineposeError, OSError) as error:
                log.warning("a clip's frames are to come as pixels: %s", error)
                self._close()
                self._failed = True
                return PIXELS

    def close(self) -> None:
        """End its reader, and remove its file."""
        with self._lock:
            if self._frames is not None:
                # A reader that has told its end may read another clip.
                with suppress(KineposeError):
                    next(self._frames, None)
            self._close()

    def _found(self, part: ClipPart, seq: int, pts_us: int | None) -> Frame | Wanted:
        if self._failed:
            return PIXELS
        self._append(part)
        if self._have < self.size:
            return Wanted(self._have)
        end = time.monotonic() + CATCH_UP_S
        if seq < self._given - 1:
            self._end_reading()
        while self._given <= seq:
            self._last = self._next()
            self._given += 1
            if self._given <= seq and time.monotonic() > end:
                return Wanted(self.size)
        assert self._last is not None
        if self._last.pts_us != pts_us:
            raise BadClip(f"frame {seq} is at {self._last.pts_us} us here and at {pts_us} us at its frontend")
        return self._last

    def _append(self, part: ClipPart) -> None:
        if part.offset == self._have and part.data:  # Else it was sent twice.
            with self.path.open("ab") as file:
                file.write(part.data)
            self._have += len(part.data)

    def _next(self) -> Frame:
        if self._frames is None:
            video = self._opened.enter_context(self.readers.open(self.path, self.limits))
            self._frames = self._opened.enter_context(closing(iter(video)))
        frame = next(self._frames, None)
        if frame is None:
            raise BadClip(f"the clip ends after {self._given} frames")
        return frame

    def _end_reading(self) -> None:
        self._opened.close()
        self._frames, self._last, self._given = None, None, 0

    def _close(self) -> None:
        self._end_reading()
        self.path.unlink(missing_ok=True)


class ClipFiles:
    """The clips of one worker. Belongs to one event loop.

    Args:
        settings: how many clips, how large.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = replace(NO_LIMIT_ON_TIME, pixels=settings.max_image_pixels)
        self._threads = ThreadPoolExecutor(max(1, settings.worker_clips), thread_name_prefix="kinepose-clip")
        self._clips: dict[str, ReceivedClip] = {}
        self._own = ExitStack()
        self._root: Path | None = None
        self._numbers = count()
        self._lock = threading.Lock()

    async def frame(self, request: FrameRequest, part: ClipPart) -> Frame | Wanted:
        """A frame of a clip, of which this part came; or what is wanted first."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._frame, request, part)

    async def expire(self) -> None:
        """Let go of clips that nobody asks for any more, until cancelled."""
        while True:
            await asyncio.sleep(IDLE_S / 2)
            await asyncio.get_running_loop().run_in_executor(self._threads, self._expire)

    def close(self) -> None:
        """End. Blocks."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for clip in self._clips.values():
            clip.close()
        self._own.close()

    def _frame(self, request: FrameRequest, part: ClipPart) -> Frame | Wanted:
        try:
            with self._lock:
                clip = self._clips.get(request.session_id) or self._begin(request.session_id, part.size)
                if clip is not None:
                    clip.used_at = time.monotonic()
        except OSError as error:
            log.warning("a clip's frames are to come as pixels: %s", error)
            return PIXELS
        return PIXELS if clip is None else clip.frame(part, request.seq, request.pts_us)

    def _expire(self) -> None:
        with self._lock:
            self._let_go_of_idle()

    def _let_go_of_idle(self) -> None:
        now = time.monotonic()
        for session_id in [of for of, clip in self._clips.items() if now - clip.used_at > IDLE_S]:
            self._clips.pop(session_id).close()

    def _begin(self, session_id: str, size: int) -> ReceivedClip | None:
        """A new one; None where there is no room for it."""
        self._let_go_of_idle()
        held = sum(clip.size for clip in self._clips.values())
        if len(self._clips) >= self._settings.worker_clips or held + size > self._settings.worker_clip_bytes:
            return None
        if self._root is None:
            self._root = self._own.enter_context(scratch_folder("kinepose-worker-clips-"))
            self._readers = self._own.enter_context(ClipReaders(self._settings.clip_memory_bytes, IDLE_READERS))
        clip = ReceivedClip(self._root / str(next(self._numbers)), size, self._readers, self._limits)
        self._clips[session_id] = clip
        return clip
