"""Frames that wait for the device, and which inputs of which frames it reads next.

At most one frame of a session is under way. A live frame goes first with as many inputs as it has people to follow;
what it reads beyond them is a search. Searches and clips are the background: while they wait, at most
`background_every` - 1 inputs of live frames go before one of theirs.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from model.passes import WINDOWS_A_PASS, FrameWork
from model.tracker import Tracked, TrackRequest
from service.errors import KineposeError
from service.pipeline.request import Priority


@dataclass(slots=True, eq=False)
class WorkItem:
    """One frame that waits for the device. `reply` gets exactly one answer, or its caller cancels it."""

    session_id: str
    request: TrackRequest
    priority: Priority
    reply: "asyncio.Future[Tracked]"
    queued_at: float = field(default_factory=time.perf_counter)

    def answer(self, answer: Tracked | Exception) -> None:
        """Settle the reply, if its caller still waits."""
        if self.reply.done():
            return
        if isinstance(answer, Exception):
            self.reply.set_exception(answer)
        else:
            self.reply.set_result(answer)


@dataclass(slots=True, eq=False)
class Job:
    """A frame under way.

    Attributes:
        work: None until the device's thread has begun on it.
        inputs_read: how many of its inputs were read.
    """

    item: WorkItem
    work: FrameWork[Tracked] | None = None
    inputs_read: int = 0

    @property
    def inputs_due(self) -> int:
        """Inputs that go before the background: one for each person who is followed, of a live frame."""
        if self.item.priority is not Priority.LIVE:
            return 0
        request = self.item.request
        followed = len(request.state.tracks) if request.state is not None else 0
        return max(0, max(1, followed, len(request.regions)) - self.inputs_read)

    @property
    def is_search(self) -> bool:
        """Whether somebody is looked for in it, as far as is known."""
        return self.work is not None and not self.inputs_due and (self.inputs_read > 0 or self.work.inputs > 1)


class FrameQueue:
    """Frames that wait, inside one event loop."""

    def __init__(self) -> None:
        self._line: deque[WorkItem] = deque()
        self._changed = asyncio.Event()
        self._closed: KineposeError | None = None
        self._passed_over = 0

    async def submit(self, session_id: str, request: TrackRequest, priority: Priority) -> Tracked:
        """Wait for the answer. Cancelling takes the frame out, or ends its computation after the pass it is in."""
        if self._closed is not None:
            raise _copy(self._closed)
        item = WorkItem(session_id, request, priority, asyncio.get_running_loop().create_future())
        self._line.append(item)
        self._changed.set()
        try:
            return await item.reply
        finally:
            # Still in line only where the caller was cancelled: whoever computes frames has taken them out.
            if item in self._line:
                self._line.remove(item)

    async def arrived(self, most: int) -> None:
        """Return when this many frames wait."""
        while sum(not item.reply.done() for item in self._line) < most:
            self._changed.clear()
            await self._changed.wait()

    def take_live(self, busy: Container[str] = ()) -> list[WorkItem]:
        """Take the oldest live frame of no busy session, if there is one."""
        return self._taken(item for item in self._waiting(busy) if item.priority is Priority.LIVE)

    def take_next(self, background_every: int) -> list[WorkItem]:
        """Take the oldest live frame; the oldest other one where there is none, and once in so many while both wait."""
        waiting = list(self._waiting())
        live = [item for item in waiting if item.priority is Priority.LIVE]
        others = [item for item in waiting if item.priority is not Priority.LIVE]
        self._passed_over = self._passed_over + 1 if live and others else 0
        if others and (not live or self._passed_over >= background_every):
            self._passed_over = 0
            return self._taken(others)
        return self._taken(live)

    def _waiting(self, busy: Container[str] = ()) -> Iterator[WorkItem]:
        return (item for item in self._line if item.session_id not in busy and not item.reply.done())

    def _taken(self, items: Iterable[WorkItem]) -> list[WorkItem]:
        """The first of them, out of the line."""
        taken = list(islice(items, 1))
        for item in taken:
            self._line.remove(item)
        return taken

    def take(self, busy: Container[str] = ()) -> list[WorkItem]:
        """Take the oldest frame of each session, none of those that are busy; whoever takes them answers them."""
        first: dict[str, WorkItem] = {}
        for item in self._waiting(busy):
            first.setdefault(item.session_id, item)
        for item in first.values():
            self._line.remove(item)
        return list(first.values())

    def close(self, error: KineposeError) -> None:
        """Answer all that wait with this error, and all that still come."""
        self._closed = error
        while self._line:
            self._line.popleft().answer(_copy(error))


Begin: TypeAlias = Callable[[TrackRequest], FrameWork[Tracked]]


class Batcher:
    """Forms micro-batches.

    Args:
        queue: where frames wait.
        live_sessions: how many sessions have frames in flight, those that wait here included.
        most_inputs: inputs in a batch, at most; 1 where the device reads them one by one anyway, since then each
            answer goes out as soon as it is there.
        wait_s: how long a batch waits for the other live sessions; a lone one is never kept waiting.
        background_every: while both wait, at least one input of this many is the background's.
        shares_queue: whether others take frames from it, too: then only what is computed next is taken.
    """

    def __init__(
        self,
        queue: FrameQueue,
        live_sessions: Callable[[], int],
        *,
        most_inputs: int,
        wait_s: float,
        background_every: int,
        shares_queue: bool = False,
    ) -> None:
        self._queue = queue
        self._live_sessions = live_sessions
        self._most_inputs = most_inputs
        self._wait_s = wait_s
        self._background_every = background_every
        self._shares_queue = shares_queue
        self._passed_over = 0
        self._searched = False

    async def next_frames(self) -> list[WorkItem]:
        """Wait for work; at least one frame, none that nobody waits for any more."""
        while True:
            await self._queue.arrived(1)
            await self._wait_for_company()
            if items := self.more_frames([]):
                return items

    def more_frames(self, jobs: list[Job]) -> list[WorkItem]:
        """What is taken in beside the frames under way, of other sessions; may be nothing."""
        busy = {job.item.session_id for job in jobs}
        if not self._shares_queue:
            return self._queue.take(busy)
        if any(job.inputs_due for job in jobs):
            return []
        return self._queue.take_live(busy) if jobs else self._queue.take_next(self._background_every)

    async def _wait_for_company(self) -> None:
        company = min(self._live_sessions(), self._most_inputs)
        if company <= 1 or self._wait_s == 0:
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._queue.arrived(company)
        except TimeoutError:
            return  # The others are still decoding or on their way; those that are here go now.

    def next_batch(self, jobs: list[Job], begin: Begin) -> dict[Job, int]:
        """How many inputs of which of these frames are read next; begins on frames whose turn it is.

        Some may turn out to be done as soon as they have begun: those are not in it. Empty only where all are done.
        """
        live = [job for job in jobs if job.inputs_due]
        # Frames that waited for a search's last pass do not wait for another.
        background = [job for job in jobs if not job.inputs_due and not (live and self._searched and job.is_search)]
        batch: dict[Job, int] = {}
        room, windows = self._most_inputs, WINDOWS_A_PASS
        while room and (live or background):
            job = (background if self._background_is_next(live, background) else live).pop(0)
            if job.work is None:
                job.work = begin(job.item.request)
            inputs = min(job.inputs_due or (windows if job.is_search else room), job.work.inputs, room)
            if inputs:
                batch[job] = inputs
                room -= inputs
                windows -= inputs if job.is_search else 0
        self._searched = any(job.is_search for job in batch)
        return batch

    def _background_is_next(self, live: list[Job], background: list[Job]) -> bool:
        if not background:
            self._passed_over = 0
            return False
        if not live or self._passed_over >= self._background_every - 1:
            self._passed_over = 0
            return True
        self._passed_over += 1
        return False


def _copy(error: KineposeError) -> KineposeError:
    # One exception object must not go to several callers: each adds its own traceback and session to it.
    return type(error)(error.detail, retry_after_ms=error.retry_after_ms)
