"""The order of frames inside a session, while frames of it are in flight.

A lane is open as long as somebody uses a session; it holds the session's idle clock. Every admitted frame has
a ticket: it waits for the one before it, and everybody who asks for the same seq shares its one outcome.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from service.contract.messages import FrameResult
from service.errors import Draining, PtsNotIncreasing, QueueFull, SeqOutOfOrder, SessionExpired
from service.observability.metrics import Metrics
from service.sessions.store import SessionHead, SessionStore, later


class Ticket:
    """One admitted frame: its place in the session's order, and its outcome."""

    def __init__(self, seq: int, before: "Ticket | None", pts_before_us: int | None) -> None:
        self.seq = seq
        self.pts_before_us = pts_before_us
        self.admitted_at = time.perf_counter()
        self.abandoned = False
        """Nobody waits for it any more; it is on its way out."""
        self._before = before
        self._ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiters = 0
        self._task: asyncio.Task[FrameResult] | None = None

    def start(self, work: Coroutine[Any, Any, FrameResult], on_end: Callable[["Ticket", int], None]) -> None:
        """Begin the frame's work, which spends its seq where it returns; `on_end` gets the seq expected next."""

        def ended(task: asyncio.Task[FrameResult]) -> None:
            # A callback, and no `finally` of the work: a task cancelled before its first step has no body.
            error = None if task.cancelled() else task.exception()
            expected = self.seq if task.cancelled() or error is not None else None
            if isinstance(error, SeqOutOfOrder):
                expected = error.expected_seq
            self._ended.set_result(expected)
            self._before = None
            on_end(self, self.seq + 1 if expected is None else expected)

        self._task = asyncio.create_task(work)
        self._task.add_done_callback(ended)

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
        """End it now; whoever waits for it is told Draining."""
        assert self._task is not None
        self._task.cancel()


@dataclass(slots=True, eq=False)
class Lane:
    """Frames in flight of one session."""

    session_id: str
    most: int
    users: int = 0
    closing: bool = False
    opened: asyncio.Lock = field(default_factory=asyncio.Lock)
    head: SessionHead | None = None
    tickets: dict[int, Ticket] = field(default_factory=dict)
    lingering: asyncio.TimerHandle | None = None
    _next_seq: int = 0
    _last_pts_us: int | None = None
    _last: Ticket | None = None

    def begin(self, head: SessionHead) -> None:
        """Start, or start anew with no frame in flight, from what the store says."""
        self.head = head
        self._next_seq, self._last_pts_us = head.next_seq, head.last_pts_us

    def may_be_behind(self, seq: int) -> bool:
        """True where a frame does not fit, and that may be because the session went on elsewhere."""
        return seq != self._next_seq and not self.tickets

    def is_past(self, seq: int) -> bool:
        """True for a frame that was admitted before and is not in flight any more."""
        return 0 <= seq < self._next_seq and seq not in self.tickets

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
        if len(self.tickets) >= self.most:
            raise QueueFull(
                f"the session has {len(self.tickets)} frames in flight, its limit",
                self.session_id,
                seq,
                retry_after_ms=retry_after_ms,
            )

    def admit(self, seq: int, pts_us: int | None) -> Ticket:
        """A ticket behind all others, for a frame that passed the checks."""
        ticket = Ticket(seq, self._last, self._last_pts_us)
        self.tickets[seq] = self._last = ticket
        self._next_seq = seq + 1
        self._last_pts_us = later(self._last_pts_us, pts_us)
        return ticket

    def leave(self, ticket: Ticket, expected_seq: int) -> None:
        """Take an ended frame out. Where its seq was not spent, the order goes back to before it."""
        if self.tickets.get(ticket.seq) is not ticket:
            return  # It was behind another one that did not spend its seq, and was given up with it.
        del self.tickets[ticket.seq]
        if expected_seq == ticket.seq + 1:
            return
        # Those behind it fail at their turn; their seqs are open to be sent again at once.
        self.tickets = {seq: other for seq, other in self.tickets.items() if seq < ticket.seq}
        self._next_seq, self._last_pts_us, self._last = expected_seq, ticket.pts_before_us, None

    async def empty(self) -> None:
        """Wait until no frame is in flight."""
        while self.tickets:
            await next(iter(self.tickets.values())).wait()


class Lanes:
    """The lanes of all sessions that are in use.

    Args:
        store: where sessions are held.
        metrics: told how long that took.
        most_per_session: frames in flight.
        linger_s: how long a lane stays open after its last user, so that the next frame finds the session held.
    """

    def __init__(self, store: SessionStore, metrics: Metrics, most_per_session: int, linger_s: float = 0.0) -> None:
        self._store = store
        self._metrics = metrics
        self._most = most_per_session
        self._linger_s = linger_s
        self._lanes: dict[str, Lane] = {}
        self._releases: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def use(self, session_id: str) -> AsyncIterator[Lane]:
        """The session's lane; its idle clock stands still. Raises SessionUnknown, SessionExpired."""
        lane = self._lanes.get(session_id)
        if lane is None:
            lane = self._lanes[session_id] = Lane(session_id, self._most)
        lane.users += 1
        if lane.lingering is not None:
            lane.lingering.cancel()
            lane.lingering = None
        try:
            async with lane.opened:
                if lane.head is None:
                    with self._metrics.state_io("hold"):
                        lane.begin(await self._store.hold(session_id))
            yield lane
        finally:
            lane.users -= 1
            if not lane.users:
                await self._left(lane)

    async def _left(self, lane: Lane) -> None:
        if lane.head is not None and self._linger_s and self._lanes.get(lane.session_id) is lane:
            loop = asyncio.get_running_loop()
            lane.lingering = loop.call_later(self._linger_s, self._release_soon, lane)
            return
        self.forget(lane)
        if lane.head is not None:
            await self._store.release(lane.session_id)

    def _release_soon(self, lane: Lane) -> None:
        self.forget(lane)
        release = asyncio.create_task(self._store.release(lane.session_id))
        self._releases.add(release)
        release.add_done_callback(self._releases.discard)

    async def refresh(self, lane: Lane) -> None:
        """Look at the store again, where a lane without frames in flight may be behind it."""
        async with lane.opened:
            if not lane.tickets:
                lane.begin(await self._store.info(lane.session_id))

    def forget(self, lane: Lane) -> None:
        """Let the next user of the id begin with a lane of its own."""
        if self._lanes.get(lane.session_id) is lane:
            del self._lanes[lane.session_id]

    def cancel_all(self) -> None:
        """End every frame in flight."""
        for lane in self._lanes.values():
            for ticket in lane.tickets.values():
                ticket.cancel()

    async def aclose(self) -> None:
        """Give back what lingers."""
        for lane in [lane for lane in self._lanes.values() if lane.lingering is not None]:
            assert lane.lingering is not None
            lane.lingering.cancel()
            self._release_soon(lane)
        await asyncio.gather(*self._releases, return_exceptions=True)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
