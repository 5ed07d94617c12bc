"""Frames as clients send them: one by one, as a clip's, as a stream. Each gets its result or its error.

A frame's path goes down from here once, through `sequencer` (its place in the session) and `processor` (its end, in
this process or in a worker), and comes back once. An aborted frame leaves the session as it was: the commit at the
path's end is the only write, and atomic.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from model.skeletons import Skeleton
from model.values import Frame, Region
from service.auth.access import Quota, RateLimits, check_owner
from service.auth.api_keys import ANYONE, Caller
from service.config import Settings
from service.contract.messages import DropPolicy, EncodedFrame, FrameResult, ModelInfo
from service.errors import (
    Forbidden,
    KineposeError,
    NoWorker,
    RateLimited,
    SessionExpired,
    SessionUnknown,
    StoreUnavailable,
    TooManySessions,
)
from service.observability.metrics import Metrics
from service.pipeline.lifecycle import Lifecycle
from service.pipeline.processor import failed, ok_or_raise, outcome_of
from service.pipeline.request import ClipFile, FrameRequest, Priority, Transport
from service.pipeline.sequencer import Sequencer
from service.pipeline.sessions import Sessions
from service.pipeline.stream import StreamRun

ENDS_STREAM = (SessionUnknown, SessionExpired, Forbidden, StoreUnavailable, TooManySessions, NoWorker)
"""Nothing can be kept of a frame that ends so, hence nothing of those behind it."""


class Frames:
    """The frames of a server.

    Args:
        settings: limits.
        model, skeleton: what results of frames say that ended before a worker had them.
        sessions: whose they are.
        sequencer: takes them in.
        lifecycle: whether new ones are taken.
        rate_limits: what an API key may ask for.
        metrics: counts them.
        incoming: bytes of pictures in memory; a stream waits where there are too many.
    """

    def __init__(
        self,
        settings: Settings,
        model: ModelInfo,
        skeleton: Skeleton,
        sessions: Sessions,
        sequencer: Sequencer,
        lifecycle: Lifecycle,
        rate_limits: RateLimits,
        metrics: Metrics,
        incoming: Quota,
    ) -> None:
        self._settings = settings
        self._model = model
        self._skeleton = skeleton
        self._sessions = sessions
        self._sequencer = sequencer
        self._lifecycle = lifecycle
        self._rate_limits = rate_limits
        self._metrics = metrics
        self._incoming = incoming

    async def estimate(
        self, frame: EncodedFrame, *, transport: Transport = "http", caller: Caller = ANYONE
    ) -> FrameResult:
        """The result of one frame. Cancelling the caller takes the frame out of the queue.

        The last seq sent again gets the stored answer; sent while it is in flight, both callers get its one
        answer. A later seq waits for those before it.

        Raises:
            BadImage, ImageTooLarge, FrameSizeChanged, BadRegion: the frame is at fault, its seq is spent.
            KineposeError: any other kind; the seq is not spent, it may be sent again.
        """
        self._lifecycle.check_serving()
        return ok_or_raise(await self._answer(request_of(frame, transport, caller)))

    async def estimate_decoded(
        self,
        session_id: str,
        seq: int,
        frame: Frame,
        regions: tuple[Region, ...] = (),
        *,
        clip: ClipFile | None = None,
        caller: Caller = ANYONE,
    ) -> FrameResult:
        """As `estimate` for a frame of a clip: after interactive ones, and waiting where the server is full.

        Goes on while the server drains, so that a clip that was begun comes to its end. `clip` is its file.
        """
        self._lifecycle.begin_clip(session_id)
        request = FrameRequest(
            session_id,
            seq,
            frame.pts_us,
            frame,
            regions,
            transport="clip",
            priority=Priority.CLIP,
            waits_for_capacity=True,
            clip=clip,
            caller=caller,
        )
        return ok_or_raise(await self._answer(request))

    async def stream(
        self,
        session_id: str,
        frames: AsyncIterator[EncodedFrame],
        policy: DropPolicy,
        *,
        transport: Transport = "grpc",
        caller: Caller = ANYONE,
    ) -> AsyncGenerator[FrameResult, None]:
        """One result for every frame taken in, in order. Close it (`aclosing`) when the client has gone.

        A frame's error becomes its result and the stream goes on. Every frame uses up its seq here, except
        where the seq itself was wrong (seq_out_of_order, stale_commit).

        Raises:
            SessionUnknown, SessionExpired: the session is not there, or not any more.
            Forbidden: it belongs to another API key.
            StoreUnavailable, TooManySessions, NoWorker: no answer can be kept now, so the order cannot go on.
            Draining: the server shuts down; all frames taken in have been answered.
            Exception: whatever `frames` raised, after the results of the frames before.
        """
        self._lifecycle.check_serving()
        await self._sessions.info(session_id, caller=caller)
        run = StreamRun(
            self._answer_streamed,
            lambda frame: request_of(replace(frame, session_id=session_id), transport, caller, streamed=True),
            policy,
            buffer=self._settings.stream_buffer,
            depth=self._settings.stream_depth,
        )
        self._lifecycle.begin_stream(run)
        try:
            with self._incoming.holding(caller) as held:
                async with aclosing(run.results(frames, held)) as results:
                    async for result in results:
                        yield result
        finally:
            self._lifecycle.end_stream(run)

    async def _answer_streamed(self, request: FrameRequest) -> FrameResult:
        try:
            return await self._answer(request)
        except ENDS_STREAM:
            raise
        except KineposeError as error:
            return failed(request, error, self._model, self._skeleton)

    async def _answer(self, request: FrameRequest) -> FrameResult:
        """Counted. Errors that use up a seq are returned as results, others are raised."""
        outcome = "cancelled"
        try:
            result = await self._in_order(request)
            outcome = result.outcome.value
        except KineposeError as error:
            outcome = outcome_of(error).value
            raise
        finally:
            self._metrics.frames.labels(request.transport, outcome).inc()
            self._metrics.frame_latency.labels(request.transport).observe(time.perf_counter() - request.received_at)
        return result

    async def _in_order(self, request: FrameRequest) -> FrameResult:
        async with self._sequencer.use(request.session_id) as sequence:
            check_owner(request.caller, sequence.owner, f"session {request.session_id}", self._metrics)
            if request.priority is Priority.LIVE and request.early_error is None:
                try:
                    await self._rate_limits.frame(request.caller)
                except RateLimited as error:
                    request = request.refused(error)
            result = await self._sequencer.answer(sequence, request)
        if request.priority is Priority.LIVE:
            await self._rate_limits.more_people(request.caller, len(result.people) - 1)
        return result


def request_of(
    frame: EncodedFrame, transport: Transport, caller: Caller = ANYONE, *, streamed: bool = False
) -> FrameRequest:
    """A request of a frame as it came in."""
    return FrameRequest(
        frame.session_id,
        frame.seq,
        frame.pts_us,
        frame.image,
        frame.regions,
        transport,
        deadline=frame.deadline,
        streamed=streamed,
        waits_for_capacity=streamed,
        early_error=frame.fault,
        caller=caller,
    )
