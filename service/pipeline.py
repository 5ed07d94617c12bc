"""The way of a frame, top to bottom: receive, admit, decode, checkout, infer, commit.

An aborted frame leaves the session as it was: `_commit` and `_spend` are the only writes, each atomic.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from model.cards import ModelCard
from model.tracker import Tracked, TrackRequest
from model.values import Frame, Region
from service.batcher import Batcher
from service.config import Settings
from service.decode import decode
from service.drain import Unfinished
from service.errors import (
    DeadlinePassed,
    Draining,
    KineposeError,
    ModelUnknown,
    SessionExpired,
    SessionUnknown,
    StoreUnavailable,
    TooLarge,
    TooManySessions,
)
from service.frames import Job, Transport, computed, failed, job_of, ok_or_raise, outcome_of, placed, told
from service.health import Health
from service.lanes import Lane, Lanes, Ticket
from service.limits import InFlight, checked_session_id, checked_ttl_s
from service.messages import DropPolicy, EncodedFrame, FrameResult, ModelInfo, SessionInfo, SessionOptions
from service.metrics import Metrics
from service.queue import InProcessQueue, Priority
from service.served import Served, load_served
from service.sessions import Checkout, Clock, InMemorySessions, SessionHead, SessionMeta, SessionStore
from service.stores import open_store
from service.streams import StreamRun
from service.worker import Stepper, Worker

log = logging.getLogger(__name__)

RETRY_AFTER_DRAINING_MS = 2000


class Pipeline:
    """Sessions, and the way of their frames. Belongs to one event loop; use it between `start` and `aclose`.

    Attributes:
        settings: as given.
        metrics: as given; `metrics.registry` is what /metrics shows.
        skeleton: joint order of every result.
    """

    def __init__(
        self,
        settings: Settings,
        served: Served,
        *,
        store: SessionStore | None = None,
        metrics: Metrics | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.skeleton = served.skeleton
        self._card = served.card
        self._model = served.info
        limits = (settings.max_sessions, settings.remembered_sessions)
        self._store = store or InMemorySessions(*limits, self.metrics, clock)
        self._lanes = Lanes(self._store, self.metrics, settings.max_pending_per_session)
        self._inflight = InFlight(settings.max_pending_frames)
        self._queue = InProcessQueue()
        self._worker = self._make_worker(served.stepper, clock)
        self._health = Health(self._worker, self._queue, settings.ready_timeout_s, clock)
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="kinepose-decode")
        self._loop_task: asyncio.Task[None] | None = None
        self._unfinished = Unfinished(frames=lambda: self._inflight.count)

    def _make_worker(self, stepper: Stepper, clock: Clock) -> Worker:
        batcher = Batcher(
            self._queue,
            live_sessions=lambda: len(self._lanes),
            max_batch=self.settings.max_batch,
            wait_s=self.settings.batch_wait_ms / 1000,
            clip_every=self.settings.clip_every,
        )
        return Worker(stepper, self._queue, batcher, self.metrics, clock)

    # -- sessions -------------------------------------------------------------------------------------------

    async def create_session(self, options: SessionOptions, session_id: str | None = None) -> SessionInfo:
        """Begin a session, under an id of the client's own if it gives one.

        Raises:
            BadRequest: the id is malformed or in use, or the TTL is out of range.
            ModelUnknown, TooManySessions, Draining.
        """
        self._refuse_while_draining()
        session_id = secrets.token_hex(16) if session_id is None else checked_session_id(session_id)
        meta = SessionMeta(self._model, options, checked_ttl_s(options.ttl_s, self.settings))
        if options.model not in (None, self._model.name):
            raise ModelUnknown(f"model {options.model!r} is not served here; {self._model.name!r} is")
        head = await self._store.create(session_id, meta)
        log.info("session %s: created", session_id)
        return _info(session_id, head)

    async def session(self, session_id: str) -> SessionInfo:
        """Look at a session without keeping it alive. Raises SessionUnknown, SessionExpired."""
        return _info(session_id, await self._store.info(session_id))

    async def close_session(self, session_id: str) -> SessionInfo:
        """End a session after the frames of it that are in flight. Raises SessionUnknown, SessionExpired."""
        try:
            async with self._lanes.use(session_id) as lane:
                lane.closing = True
                try:
                    await lane.empty()
                    head = await self._store.close(session_id)
                    self._lanes.forget(lane)
                except (asyncio.CancelledError, StoreUnavailable):
                    lane.closing = False
                    raise
        finally:
            self._unfinished.clips.discard(session_id)
            self._unfinished.tell()
        log.info("session %s: closed after %d frames", session_id, head.next_seq)
        return _info(session_id, head)

    # -- 1. receive -----------------------------------------------------------------------------------------

    async def estimate(self, frame: EncodedFrame, *, transport: Transport = "http") -> FrameResult:
        """The result of one frame. Cancelling the caller takes the frame out of the queue.

        The last seq sent again gets the stored answer; sent while it is in flight, both callers get its one
        answer. A later seq waits for those before it.

        Raises:
            BadImage, ImageTooLarge, FrameSizeChanged, BadRegion: the frame is at fault, its seq is spent.
            KineposeError: any other kind; the seq is not spent, it may be sent again.
        """
        self._refuse_while_draining()
        return ok_or_raise(await self._answer(job_of(frame, transport)))

    async def estimate_decoded(self, session_id: str, seq: int, frame: Frame, region: Region | None) -> FrameResult:
        """As `estimate` for a frame of a clip: after interactive ones, and waiting where the server is full.

        Goes on while the server drains, so that a clip that was begun comes to its end.
        """
        self._unfinished.clips.add(session_id)
        job = Job(session_id, seq, frame.pts_us, frame, region, transport="clip", patient=True)
        return ok_or_raise(await self._answer(job))

    async def stream(
        self,
        session_id: str,
        frames: AsyncIterator[EncodedFrame],
        policy: DropPolicy,
        *,
        transport: Transport = "grpc",
    ) -> AsyncGenerator[FrameResult, None]:
        """One result for every frame taken in, in order. Close it (`aclosing`) when the client has gone.

        A frame's error becomes its result and the stream goes on. Every frame spends its seq here, except
        where the seq itself was wrong (seq_out_of_order, stale_commit).

        Raises:
            SessionUnknown, SessionExpired: the session is not there, or not any more.
            StoreUnavailable, TooManySessions: the store takes no answer now, so the order cannot go on.
            Draining: the server shuts down; all frames taken in have been answered.
            Exception: whatever `frames` raised, after the results of the frames before.
        """
        self._refuse_while_draining()
        await self._store.info(session_id)
        run = StreamRun(
            self._answer_streamed,
            lambda frame: job_of(replace(frame, session_id=session_id), transport, streamed=True),
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

    async def _answer_streamed(self, job: Job) -> FrameResult:
        try:
            return await self._answer(job)
        except (SessionUnknown, SessionExpired, StoreUnavailable, TooManySessions):
            raise
        except KineposeError as error:
            return failed(job, error, self._model, self.skeleton)

    async def _answer(self, job: Job) -> FrameResult:
        """Steps 2 to 8, counted. Errors that spend a seq are returned as results, others are raised."""
        outcome = "cancelled"
        try:
            result = await self._admitted(job)
            outcome = result.outcome.value
        except KineposeError as error:
            outcome = outcome_of(error).value
            raise
        finally:
            self.metrics.frames.labels(job.transport, outcome).inc()
            self.metrics.frame_latency.observe(time.perf_counter() - job.received_at)
        return result

    # -- 2. admit -------------------------------------------------------------------------------------------

    async def _admitted(self, job: Job) -> FrameResult:
        async with self._lanes.use(job.session_id) as lane:
            ticket = lane.tickets.get(job.seq)
            while ticket is not None and ticket.abandoned:
                await ticket.wait()
                ticket = lane.tickets.get(job.seq)
            if ticket is None:
                if lane.is_past(job.seq):
                    return await self._replay(lane, job)
                ticket = await self._admit(lane, job)
            return await ticket.outcome()

    async def _replay(self, lane: Lane, job: Job) -> FrameResult:
        found = await self._checkout(job)
        if found.replay is None:
            raise lane.out_of_order(job.seq)
        return found.replay

    async def _admit(self, lane: Lane, job: Job) -> Ticket:
        await self._inflight.wait() if job.patient else self._inflight.take()
        try:
            lane.check_order(job.seq)
            lane.check_room(job.seq, self._inflight.retry_after_ms())
            job = self._check_content(lane, job)
            ticket = lane.admit(job.seq, job.pts_us)
        except KineposeError:
            self._inflight.release()
            raise
        self.metrics.pending_frames.set(self._inflight.count)
        ticket.start(self._way(job, ticket), lambda ticket, expected: self._leave(lane, ticket, expected))
        return ticket

    def _check_content(self, lane: Lane, job: Job) -> Job:
        """Refuse a frame before it costs anything; on a stream, admit it with its verdict."""
        try:
            if isinstance(job.picture, bytes) and len(job.picture) > self.settings.max_image_bytes:
                limit = self.settings.max_image_bytes
                raise TooLarge(f"the image has {len(job.picture)} bytes, more than the {limit} allowed")
            if job.deadline is not None and job.deadline <= asyncio.get_running_loop().time():
                raise DeadlinePassed("the deadline had passed when the frame came in")
            lane.check_pts(job.seq, job.pts_us)
        except KineposeError as error:
            error = placed(error, job)
            if not job.streamed:
                raise error from None
            return job if job.verdict is not None else replace(job, verdict=error, picture=b"")
        return job

    def _leave(self, lane: Lane, ticket: Ticket, expected_seq: int) -> None:
        lane.leave(ticket, expected_seq)
        self._inflight.release(time.perf_counter() - ticket.admitted_at)
        self.metrics.pending_frames.set(self._inflight.count)
        self._unfinished.tell()

    # -- 3. to 8. -------------------------------------------------------------------------------------------

    async def _way(self, job: Job, ticket: Ticket) -> FrameResult:
        """An admitted frame's own task."""
        try:
            if job.verdict is not None:
                raise job.verdict
            async with asyncio.timeout_at(job.deadline):
                frame = await self._decode(job)
                await ticket.turn()
                start = await self._checkout(job)
                if start.replay is not None:
                    ticket.spent = True
                    return start.replay
                tracked = await self._infer(job, frame, start)
            return await self._commit(job, ticket, frame, start, tracked)
        except Exception as raised:
            error = placed(told(raised, job), job)
            if not job.spends(error):
                raise error from raised
            return await self._spend(job, ticket, error)

    async def _decode(self, job: Job) -> Frame:
        if isinstance(job.picture, Frame):
            return job.picture
        begin = time.perf_counter()
        limits = (self.settings.max_image_bytes, self.settings.max_image_pixels)
        loop = asyncio.get_running_loop()
        frame = await loop.run_in_executor(self._decoders, decode, job.picture, *limits)
        self.metrics.compute_duration.labels("decode").observe(time.perf_counter() - begin)
        return replace(frame, pts_us=job.pts_us)

    async def _checkout(self, job: Job) -> Checkout:
        with self.metrics.state_io("checkout"):
            return await self._store.checkout(job.session_id, job.seq)

    async def _infer(self, job: Job, frame: Frame, start: Checkout) -> Tracked:
        request = TrackRequest(frame, job.seq, start.state, job.region)
        priority = Priority.CLIP if job.transport == "clip" else Priority.INTERACTIVE
        return await self._queue.submit(job.session_id, request, priority)

    async def _commit(self, job: Job, ticket: Ticket, frame: Frame, start: Checkout, tracked: Tracked) -> FrameResult:
        result = computed(job, frame, tracked, start.meta.model, self.skeleton)
        with self.metrics.state_io("commit"):
            await self._store.commit(job.session_id, start.version, tracked.state, result)
        ticket.spent = True
        return result

    async def _spend(self, job: Job, ticket: Ticket, error: KineposeError) -> FrameResult:
        """A frame that ended without a new state: its answer is kept for replay, the state stays."""
        await ticket.turn()
        start = await self._checkout(job)
        result = start.replay or failed(job, error, start.meta.model, self.skeleton)
        if start.replay is None:
            with self.metrics.state_io("spend"):
                await self._store.spend(job.session_id, start.version, result)
        ticket.spent = True
        log.info("session %s frame %d: %s", job.session_id, job.seq, error.code)
        return result

    # -- models and health ----------------------------------------------------------------------------------

    def models(self) -> list[ModelCard]:
        """Cards of the models that are served."""
        return [self._card]

    def default_model(self) -> ModelInfo:
        """The model of a session that asks for none."""
        return self._model

    def live(self) -> bool:
        """False once the device is lost: only a new process helps."""
        return self._health.live()

    async def ready(self) -> bool:
        """True where a real forward pass came through within the last second, the store answers, and no drain began."""
        try:
            await self._store.sweep()
        except StoreUnavailable as error:
            log.warning("not ready: %s", error)
            return False
        return await self._health.ready()

    # -- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Warm the model up, then take work. Raises WarmUpFailed."""
        await self._worker.warm_up(self.settings.max_batch)
        self._loop_task = asyncio.create_task(self._worker.run(), name="kinepose-worker")

    async def drain(self) -> None:
        """Refuse what is new and finish what was accepted; after `drain_grace_s` the rest is cancelled."""
        self._health.draining = True
        if not await self._unfinished.finish(self.settings.drain_grace_s):
            log.warning("the grace period is over with %d frames in flight", self._inflight.count)
            self._lanes.cancel_all()

    async def aclose(self) -> None:
        """End the worker and all that still waits for it."""
        self._health.draining = True
        self._lanes.cancel_all()
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        await self._worker.close()
        await asyncio.to_thread(self._decoders.shutdown)

    def _refuse_while_draining(self) -> None:
        if self._health.draining:
            raise Draining("the server is shutting down", retry_after_ms=RETRY_AFTER_DRAINING_MS)


@asynccontextmanager
async def open_pipeline(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[Pipeline]:
    """A warm pipeline with the model that the settings name; drained and closed on leaving.

    Raises:
        zoo.UnknownModel, zoo.BadWeights, WarmUpFailed: the start fails.
    """
    metrics = metrics or Metrics()
    served = await asyncio.to_thread(load_served, settings)
    async with open_store(settings, metrics) as store:
        pipeline = Pipeline(settings, served, store=store, metrics=metrics)
        try:
            await pipeline.start()
            yield pipeline
            await pipeline.drain()
        finally:
            await pipeline.aclose()


def _info(session_id: str, head: SessionHead) -> SessionInfo:
    return SessionInfo(session_id, head.next_seq, head.expires_in_s, head.meta.model, head.meta.options)
