"""A frame's path, its first part: receive, admit; what follows is `processor.FrameProcessor`, here or in a worker.

An aborted frame leaves the session as it was: the commit at the path's end is the only write, and atomic.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from model.cards import ModelCard
from model.skeletons import SKELETONS
from model.values import Frame, Region
from service.auth.api_keys import ANYONE, Caller, check_owner
from service.auth.rate_limits import RateLimits
from service.config import Settings
from service.contract.messages import DropPolicy, EncodedFrame, FrameResult, ModelInfo, SessionInfo, SessionOptions
from service.errors import (
    DeadlinePassed,
    Draining,
    Forbidden,
    KineposeError,
    ModelUnknown,
    NoWorker,
    RateLimited,
    SessionExpired,
    SessionUnknown,
    StoreUnavailable,
    TooLarge,
    TooManySessions,
)
from service.observability.metrics import Metrics
from service.pipeline.admission import InFlight, checked_session_id, checked_ttl_s
from service.pipeline.drain import Unfinished
from service.pipeline.processor import FrameExecutor, FrameProcessor
from service.pipeline.request import FrameRequest, Transport, failed, ok_or_raise, outcome_of, request_of, with_location
from service.pipeline.sequencer import PendingFrame, Sequencer, SessionSequence
from service.pipeline.stream import StreamRun
from service.sessions.store import SessionHead, SessionMeta, SessionStore

log = logging.getLogger(__name__)

RETRY_AFTER_DRAINING_MS = 2000

ENDS_STREAM = (SessionUnknown, SessionExpired, Forbidden, StoreUnavailable, TooManySessions, NoWorker)
"""Nothing can be kept of a frame that ends so, hence nothing of those behind it."""


class Pipeline:
    """Sessions, and the path of their frames. Belongs to one event loop; use it between `start` and `aclose`.

    Args:
        settings: limits.
        card: of the model that is served.
        executor: what computes frames, in this process or in workers.
        store: where sessions are kept.
        metrics: its own unless given.
        rate_limits: what an API key may ask for.
        hold_keepalive_s: see `Sequencer`; spares a store outside the process a hold and a release a frame.

    Attributes:
        settings: as given.
        metrics: as given; `metrics.registry` is what /metrics shows.
        skeleton: joint order of every result.
        rate_limits, executor: as given.
    """

    def __init__(
        self,
        settings: Settings,
        card: ModelCard,
        executor: FrameExecutor,
        store: SessionStore,
        *,
        metrics: Metrics | None = None,
        rate_limits: RateLimits | None = None,
        hold_keepalive_s: float = 0.0,
    ) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.skeleton = SKELETONS[card.skeleton]
        self._card = card
        self._model = ModelInfo(card.name, card.version, card.sha256)
        self._store = store
        self.executor = executor
        self.rate_limits = rate_limits or RateLimits.of(settings, self.metrics)
        self._processor = FrameProcessor(executor, store, self.skeleton, self.metrics)
        self._sequencer = Sequencer(store, self.metrics, settings.max_pending_per_session, hold_keepalive_s)
        self._inflight = InFlight(settings.max_pending_frames)
        self._unfinished = Unfinished(frames=lambda: self._inflight.count)
        self._draining = False
        self.metrics.sessions_limit.set(settings.max_sessions)

    # -- sessions -------------------------------------------------------------------------------------------

    async def create_session(
        self, options: SessionOptions, session_id: str | None = None, *, caller: Caller = ANYONE
    ) -> SessionInfo:
        """Begin a session, under an id of the client's own if it gives one.

        Raises:
            BadRequest: the id is malformed or in use, or the TTL is out of range.
            ModelUnknown, TooManySessions, RateLimited, Draining.
        """
        self._refuse_while_draining()
        session_id = secrets.token_hex(16) if session_id is None else checked_session_id(session_id)
        meta = SessionMeta(self._model, options, checked_ttl_s(options.ttl_s, self.settings), caller.key_id)
        if options.model not in (None, self._model.name):
            raise ModelUnknown(f"model {options.model!r} is not served here; {self._model.name!r} is")
        await self.rate_limits.session(caller)
        head = await self._store.create(session_id, meta, caller.limits.max_sessions)
        log.info("session %s: created", session_id)
        return _info(session_id, head)

    async def session(self, session_id: str, *, caller: Caller = ANYONE) -> SessionInfo:
        """Look at a session without keeping it alive. Raises SessionUnknown, SessionExpired, Forbidden."""
        head = await self._store.info(session_id)
        self._check_owner(session_id, head, caller)
        return _info(session_id, head)

    async def close_session(self, session_id: str, *, caller: Caller = ANYONE) -> SessionInfo:
        """End a session after its frames in flight. Raises SessionUnknown, SessionExpired, Forbidden."""
        try:
            async with self._sequencer.use(session_id) as sequence:
                self._check_owner(session_id, sequence.head, caller)
                sequence.closing = True
                try:
                    await sequence.empty()
                    head = await self._store.close(session_id)
                    self._sequencer.forget(sequence)
                except (asyncio.CancelledError, StoreUnavailable):
                    sequence.closing = False
                    raise
        finally:
            self._unfinished.clips.discard(session_id)
            self._unfinished.tell()
        log.info("session %s: closed after %d frames", session_id, head.next_seq)
        return _info(session_id, head)

    def _check_owner(self, session_id: str, head: SessionHead | None, caller: Caller) -> None:
        assert head is not None  # A sequence is given out with its head.
        check_owner(caller, head.meta.owner, f"session {session_id}", self.metrics)

    # -- 1. receive -----------------------------------------------------------------------------------------

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
        self._refuse_while_draining()
        return ok_or_raise(await self._answer(request_of(frame, transport, caller)))

    async def estimate_decoded(
        self, session_id: str, seq: int, frame: Frame, region: Region | None, *, caller: Caller = ANYONE
    ) -> FrameResult:
        """As `estimate` for a frame of a clip: after interactive ones, and waiting where the server is full.

        Goes on while the server drains, so that a clip that was begun comes to its end.
        """
        self._unfinished.clips.add(session_id)
        request = FrameRequest(
            session_id, seq, frame.pts_us, frame, region, transport="clip", waits_for_capacity=True, caller=caller
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
        self._refuse_while_draining()
        await self.session(session_id, caller=caller)
        run = StreamRun(
            self._answer_streamed,
            lambda frame: request_of(replace(frame, session_id=session_id), transport, caller, streamed=True),
            policy,
            buffer=self.settings.stream_buffer,
            depth=self.settings.stream_depth,
        )
        self._unfinished.streams.add(run)
        try:
            async with aclosing(run.results(frames)) as results:
                async for result in results:
                    yield result
        finally:
            self._unfinished.streams.discard(run)
            self._unfinished.tell()

    async def _answer_streamed(self, request: FrameRequest) -> FrameResult:
        try:
            return await self._answer(request)
        except ENDS_STREAM:
            raise
        except KineposeError as error:
            return failed(request, error, self._model, self.skeleton)

    async def _answer(self, request: FrameRequest) -> FrameResult:
        """Steps 2 to 8, counted. Errors that spend a seq are returned as results, others are raised."""
        outcome = "cancelled"
        try:
            result = await self._admitted(request)
            outcome = result.outcome.value
        except KineposeError as error:
            outcome = outcome_of(error).value
            raise
        finally:
            self.metrics.frames.labels(request.transport, outcome).inc()
            self.metrics.frame_latency.labels(request.transport).observe(time.perf_counter() - request.received_at)
        return result

    # -- 2. admit -------------------------------------------------------------------------------------------

    async def _admitted(self, request: FrameRequest) -> FrameResult:
        async with self._sequencer.use(request.session_id) as sequence:
            self._check_owner(request.session_id, sequence.head, request.caller)
            request = await self._check_rate(request)
            if sequence.may_be_behind(request.seq):
                await self._sequencer.refresh(sequence)
            pending = sequence.pending.get(request.seq)
            while pending is not None and pending.abandoned:
                await pending.wait()
                pending = sequence.pending.get(request.seq)
            if pending is None:
                if sequence.is_past(request.seq):
                    return await self._replay(sequence, request)
                pending = await self._admit(sequence, request)
            return await pending.outcome()

    async def _replay(self, sequence: SessionSequence, request: FrameRequest) -> FrameResult:
        with self.metrics.state_io("checkout"):
            found = await self._store.checkout(request.session_id, request.seq)
        if found.replay is None:
            raise sequence.out_of_order(request.seq)
        return found.replay

    async def _admit(self, sequence: SessionSequence, request: FrameRequest) -> PendingFrame:
        await self._inflight.wait() if request.waits_for_capacity else self._inflight.take()
        try:
            sequence.check_order(request.seq)
            sequence.check_room(request.seq, self._inflight.retry_after_ms())
            request = self._check_content(sequence, request)
            pending = sequence.admit(request.seq, request.pts_us)
        except KineposeError:
            self._inflight.release()
            raise
        self.metrics.pending_frames.set(self._inflight.count)
        pending.start(
            self._processor.process(request, pending.turn),
            lambda pending, expected: self._leave(sequence, pending, expected),
        )
        return pending

    async def _check_rate(self, request: FrameRequest) -> FrameRequest:
        if request.transport == "clip" or request.early_error is not None:
            return request
        try:
            await self.rate_limits.frame(request.caller)
        except RateLimited as error:
            return self._refused(request, error)
        return request

    def _refused(self, request: FrameRequest, error: KineposeError) -> FrameRequest:
        """Raise it; on a stream, admit the frame with it as its early error."""
        error = with_location(error, request)
        if not request.streamed:
            raise error from None
        return request if request.early_error is not None else replace(request, early_error=error, picture=b"")

    def _check_content(self, sequence: SessionSequence, request: FrameRequest) -> FrameRequest:
        """Refuse a frame before it costs anything; on a stream, admit it with its early error."""
        try:
            if isinstance(request.picture, bytes) and len(request.picture) > self.settings.max_image_bytes:
                limit = self.settings.max_image_bytes
                raise TooLarge(f"the image has {len(request.picture)} bytes, more than the {limit} allowed")
            if request.deadline is not None and request.deadline <= asyncio.get_running_loop().time():
                raise DeadlinePassed("the deadline had passed when the frame came in")
            sequence.check_pts(request.seq, request.pts_us)
        except KineposeError as error:
            return self._refused(request, error)
        return request

    def _leave(self, sequence: SessionSequence, pending: PendingFrame, expected_seq: int) -> None:
        sequence.leave(pending, expected_seq)
        self._inflight.release(time.perf_counter() - pending.admitted_at)
        self.metrics.pending_frames.set(self._inflight.count)
        self._unfinished.tell()

    # -- models and health ----------------------------------------------------------------------------------

    def models(self) -> list[ModelCard]:
        """Cards of the models that are served."""
        return [self._card]

    def default_model(self) -> ModelInfo:
        """The model of a session that asks for none."""
        return self._model

    def live(self) -> bool:
        """False once the device is lost: only a new process helps."""
        return self.executor.live()

    async def ready(self) -> bool:
        """True where frames are computed (`FrameExecutor.ready`), the store answers, and no drain began."""
        try:
            await self._store.sweep()
        except StoreUnavailable as error:
            log.warning("not ready: %s", error)
            return False
        return not self._draining and await self.executor.ready()

    # -- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take work. Raises WarmUpFailed."""
        await self.executor.start()

    async def drain(self) -> None:
        """Refuse what is new and finish what was accepted; after `drain_grace_s` the rest is cancelled."""
        self._draining = True
        self.executor.drain()
        if not await self._unfinished.finish(self.settings.drain_grace_s):
            log.warning("the grace period is over with %d frames in flight", self._inflight.count)
            self._sequencer.cancel_all()

    async def aclose(self) -> None:
        """End all that still waits, and what computes it."""
        self._draining = True
        self._sequencer.cancel_all()
        await self.executor.aclose()
        await self._sequencer.aclose()

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise Draining("the server is shutting down", retry_after_ms=RETRY_AFTER_DRAINING_MS)


def _info(session_id: str, head: SessionHead) -> SessionInfo:
    return SessionInfo(session_id, head.next_seq, head.expires_in_s, head.meta.model, head.meta.options)
