"""The order of frames inside a session, while frames of it are in flight.

A sequence is open as long as somebody uses its session; it holds the session's idle clock. Every admitted frame is
pending until it ends: it waits for the one before it, and everybody who asks for the same seq shares its outcome.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from service.auth.access import InFlight
from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import (
    DeadlinePassed,
    Draining,
    KineposeError,
    PtsNotIncreasing,
    QueueFull,
    SeqOutOfOrder,
    SessionExpired,
    TooLarge,
)
from service.observability.metrics import Metrics
from service.pipeline.processor import FrameProcessor
from service.pipeline.request import FrameRequest
from service.sessions.store import SessionHead, SessionStore


class PendingFrame:
    """One admitted frame: its place in the session's order, and its outcome."""

    def __init__(self, seq: int, before: "PendingFrame | None", pts_before_us: int | None) -> None:
        self.seq = seq
        self.pts_before_us = pts_before_us
        self.admitted_at = time.perf_counter()
        self.abandoned = False
        """Nobody waits for it any more; it is on its way out."""
        self._before = before
        self._ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiters = 0
        self._task: asyncio.Task[FrameResult] | None = None

    def start(self, work: Coroutine[Any, Any, FrameResult], on_end: Callable[["PendingFrame", int], None]) -> None:
        """Begin the frame's work, which uses up its seq where it returns; `on_end` gets the seq expected next."""

        def on_done(task: asyncio.Task[FrameResult]) -> None:
            # A callback, and no `finally` of the work: a task cancelled before its first step has no body.
            error = None if task.cancelled() else task.exception()
            expected = self.seq if task.cancelled() or error is not None else None
            if isinstance(error, SeqOutOfOrder):
                expected = error.expected_seq
            self._ended.set_result(expected)
            self._before = None
            on_end(self, self.seq + 1 if expected is None else expected)

        self._task = asyncio.create_task(work)
        self._task.add_done_callback(on_done)

    async def turn(self) -> None:
        """Wait for the frame before this one. Raises SeqOutOfOrder where that one did not spend its seq."""
        if self._before is None:
            return
        expected = await asyncio.shield(self._before._ended)
        if expected is not None:
            raise SeqOutOfOrder(f"expected frame {expected}, got {self.seq}", expected_seq=expected)

    async def outcome(self) -> FrameResult:
        """The frame's answer. When the last one who waits for it is cancelled, so is the frame."""
        assert self._task is not None
        self._waiters += 1
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled() and not _is_being_cancelled():
                raise Draining("the server is shutting down", seq=self.seq) from None
            raise
        finally:
            self._waiters -= 1
            if not self._waiters and not self._task.done():
                self.abandoned = True
                self._task.cancel()
                await asyncio.wait([self._task])

    async def wait(self) -> None:
        """Wait until it has ended, however it ended."""
        assert self._task is not None
        await asyncio.wait([self._task])

    def cancel(self) -> None:
        """End it now; whoever waits for it gets Draining."""
        assert self._task is not None
        self._task.cancel()


@dataclass(slots=True, eq=False)
class SessionSequence:
    """Frames in flight of one session."""

    session_id: str
    most: int
    users: int = 0
    closing: bool = False
    opened: asyncio.Lock = field(default_factory=asyncio.Lock)
    head: SessionHead | None = None
    pending: dict[int, PendingFrame] = field(default_factory=dict)
    keepalive: asyncio.TimerHandle | None = None
    _next_seq: int = 0
    _last_pts_us: int | None = None
    _last: PendingFrame | None = None

    @property
    def owner(self) -> str | None:
        """The API key that the session belongs to."""
        assert self.head is not None  # A sequence is given out with its head.
        return self.head.meta.owner

    def begin(self, head: SessionHead) -> None:
        """Start, or start anew with no frame in flight, from what the store says."""
        self.head = head
        self._next_seq, self._last_pts_us = head.next_seq, head.last_pts_us

    def may_be_behind(self, seq: int) -> bool:
        """True where a frame does not fit, and that may be because the session went on elsewhere."""
        return seq != self._next_seq and not self.pending

    def is_past(self, seq: int) -> bool:
        """True for a frame that was admitted before and is not in flight any more."""
        return 0 <= seq < self._next_seq and seq not in self.pending

    def check_order(self, seq: int) -> None:
        """Raise SeqOutOfOrder where the frame is not the next, SessionExpired while it is being closed."""
        if self.closing:
            raise SessionExpired(f"session {self.session_id} is being closed", self.session_id, seq)
        if seq != self._next_seq:
            raise self.out_of_order(seq)

    def out_of_order(self, seq: int) -> SeqOutOfOrder:
        """The error for a frame that is neither the next nor the last."""
        return SeqOutOfOrder(f"expected frame {self._next_seq}, got {seq}", self.session_id, seq, self._next_seq)

    def check_pts(self, seq: int, pts_us: int | None) -> None:
        """Raise PtsNotIncreasing."""
        if pts_us is not None and self._last_pts_us is not None and pts_us <= self._last_pts_us:
            raise PtsNotIncreasing(
                f"pts {pts_us} us is not above the last one, {self._last_pts_us} us", self.session_id, seq
            )

    def check_room(self, seq: int, retry_after_ms: int) -> None:
        """Raise QueueFull where the session has as many frames in flight as it may."""
        if len(self.pending) >= self.most:
            raise QueueFull(
                f"the session has {len(self.pending)} frames in flight, its limit",
                self.session_id,
                seq,
                retry_after_ms=retry_after_ms,
            )

    def append(self, seq: int, pts_us: int | None) -> PendingFrame:
        """A pending frame behind all others, for one that passed the checks."""
        pending = PendingFrame(seq, self._last, self._last_pts_us)
        self.pending[seq] = self._last = pending
        self._next_seq = seq + 1
        if pts_us is not None and (self._last_pts_us is None or pts_us > self._last_pts_us):
            self._last_pts_us = pts_us
        return pending

    def leave(self, pending: PendingFrame, expected_seq: int) -> None:
        """Take an ended frame out. Where its seq was not spent, the order goes back to before it."""
        if self.pending.get(pending.seq) is not pending:
            return  # It was behind another one that did not spend its seq, and was given up with it.
        del self.pending[pending.seq]
        if expected_seq == pending.seq + 1:
            return
        # Those behind it fail at their turn; their seqs are open to be sent again at once.
        self.pending = {seq: other for seq, other in self.pending.items() if seq < pending.seq}
        self._next_seq, self._last_pts_us, self._last = expected_seq, pending.pts_before_us, None

    async def empty(self) -> None:
        """Wait until no frame is in flight."""
        while self.pending:
            await next(iter(self.pending.values())).wait()


class Sequencer:
    """The order of frames in all sessions that are in use, and the room that the server has for them.

    Args:
        store: where sessions are held.
        processor: brings admitted frames to their ends.
        settings: limits.
        metrics: measures how long the store took, and what is in flight.
        hold_keepalive_s: how long a session stays held after its last user, so that the next frame finds it so.
    """

    def __init__(
        self,
        store: SessionStore,
        processor: FrameProcessor,
        settings: Settings,
        metrics: Metrics,
        hold_keepalive_s: float = 0.0,
    ) -> None:
        self._store = store
        self._processor = processor
        self._settings = settings
        self._metrics = metrics
        self._hold_keepalive_s = hold_keepalive_s
        self._sequences: dict[str, SessionSequence] = {}
        self._releases: set[asyncio.Task[None]] = set()
        self._room = InFlight(settings.max_pending_frames, settings.max_pending_frames_per_key)
        self._in_flight: set[PendingFrame] = set()

    # -- frames ---------------------------------------------------------------------------------------------

    async def answer(self, sequence: SessionSequence, request: FrameRequest) -> FrameResult:
        """The frame's answer: its own, that of the same frame in flight, or the stored one of the last frame.

        An error that uses up the seq is a result; others are raised.
        """
        if sequence.may_be_behind(request.seq):
            await self._refresh(sequence)
        pending = sequence.pending.get(request.seq)
        while pending is not None and pending.abandoned:
            await pending.wait()
            pending = sequence.pending.get(request.seq)
        if pending is None:
            if sequence.is_past(request.seq):
                return await self._replay(sequence, request)
            pending = await self.admit(sequence, request)
        return await pending.outcome()

    async def admit(self, sequence: SessionSequence, request: FrameRequest) -> PendingFrame:
        """Take in the session's next frame, and begin on it.

        Raises:
            QueueFull: the server is full and the frame does not wait, or the session has all that it may.
            SeqOutOfOrder, SessionExpired: it is not the next, or the session is being closed.
            TooLarge, DeadlinePassed, PtsNotIncreasing: unless it came on a stream, where it ends so.
        """
        caller = request.caller
        await self._room.wait(caller) if request.waits_for_capacity else self._room.take(caller)
        try:
            sequence.check_order(request.seq)
            sequence.check_room(request.seq, self._room.retry_after_ms())
            try:
                self._check_content(sequence, request)
            except KineposeError as error:
                request = request.refused(error)
        except KineposeError:
            self._room.release(caller)
            raise
        pending = sequence.append(request.seq, request.pts_us)
        self._in_flight.add(pending)
        self._metrics.pending_frames.set(self._room.count)

        def on_end(pending: PendingFrame, expected_seq: int) -> None:
            sequence.leave(pending, expected_seq)
            self._in_flight.discard(pending)
            self._room.release(caller, time.perf_counter() - pending.admitted_at)
            self._metrics.pending_frames.set(self._room.count)

        pending.start(self._processor.process(request, pending.turn), on_end)
        return pending

    def _check_content(self, sequence: SessionSequence, request: FrameRequest) -> None:
        """Refuse a frame before it costs anything."""
        limit = self._settings.max_image_bytes
        if isinstance(request.picture, bytes) and len(request.picture) > limit:
            raise TooLarge(f"the image has {len(request.picture)} bytes, more than the {limit} allowed")
        if request.deadline is not None and request.deadline <= asyncio.get_running_loop().time():
            raise DeadlinePassed("the deadline had passed when the frame came in")
        sequence.check_pts(request.seq, request.pts_us)

    async def _replay(self, sequence: SessionSequence, request: FrameRequest) -> FrameResult:
        with self._metrics.state_io.labels("checkout").time():
            found = await self._store.checkout(request.session_id, request.seq)
        if found.replay is None:
            raise sequence.out_of_order(request.seq)
        return found.replay

    async def idle(self) -> None:
        """Return when no frame is in flight."""
        while self._in_flight:
            await next(iter(self._in_flight)).wait()

    def cancel_all(self) -> int:
        """End every frame in flight; how many there were."""
        for pending in self._in_flight:
            pending.cancel()
        return len(self._in_flight)

    # -- sessions in use ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(self, session_id: str) -> AsyncIterator[SessionSequence]:
        """The session's sequence; its idle clock stands still. Raises SessionUnknown, SessionExpired."""
        sequence = self._sequences.get(session_id)
        if sequence is None:
            sequence = self._sequences[session_id] = SessionSequence(session_id, self._settings.max_pending_per_session)
        sequence.users += 1
        if sequence.keepalive is not None:
            sequence.keepalive.cancel()
            sequence.keepalive = None
        try:
            async with sequence.opened:
                if sequence.head is None:
                    with self._metrics.state_io.labels("hold").time():
                        sequence.begin(await self._store.hold(session_id))
            yield sequence
        finally:
            sequence.users -= 1
            if not sequence.users:
                await self._left(sequence)

    async def _left(self, sequence: SessionSequence) -> None:
        if (
            sequence.head is not None
            and self._hold_keepalive_s
            and self._sequences.get(sequence.session_id) is sequence
        ):
            loop = asyncio.get_running_loop()
            sequence.keepalive = loop.call_later(self._hold_keepalive_s, self._release_soon, sequence)
            return
        self.forget(sequence)
        if sequence.head is not None:
            await self._store.release(sequence.session_id)

    def _release_soon(self, sequence: SessionSequence) -> None:
        self.forget(sequence)
        release = asyncio.create_task(self._store.release(sequence.session_id))
        self._releases.add(release)
        release.add_done_callback(self._releases.discard)

    async def _refresh(self, sequence: SessionSequence) -> None:
        """Look at the store again, where a sequence without frames in flight may be behind it."""
        async with sequence.opened:
            if not sequence.pending:
                sequence.begin(await self._store.info(sequence.session_id))

    def forget(self, sequence: SessionSequence) -> None:
        """Let the next user of the id begin with a sequence of its own."""
        if self._sequences.get(sequence.session_id) is sequence:
            del self._sequences[sequence.session_id]

    async def aclose(self) -> None:
        """Give back the holds that are kept."""
        for sequence in [sequence for sequence in self._sequences.values() if sequence.keepalive is not None]:
            assert sequence.keepalive is not None
            sequence.keepalive.cancel()
            self._release_soon(sequence)
        await asyncio.gather(*self._releases, return_exceptions=True)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
