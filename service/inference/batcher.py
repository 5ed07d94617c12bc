"""Frames that wait for the device, and which of them are computed together.

At most one frame of a session in a batch; live frames before those of clips, yet no more than `clip_every` - 1 of them
in a row while a clip waits.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field

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


class FrameQueue:
    """Frames that wait, inside one event loop: one line for each priority."""

    def __init__(self) -> None:
        self._lines: dict[Priority, deque[WorkItem]] = {priority: deque() for priority in Priority}
        self._changed = asyncio.Event()
        self._closed: KineposeError | None = None

    async def submit(self, session_id: str, request: TrackRequest, priority: Priority) -> Tracked:
        """Wait for the answer. Cancelling takes the frame out, or ends its computation after the pass it is in."""
        if self._closed is not None:
            raise _copy(self._closed)
        item = WorkItem(session_id, request, priority, asyncio.get_running_loop().create_future())
        self._lines[priority].append(item)
        self._changed.set()
        try:
            return await item.reply
        finally:
            # Still in line only where the caller was cancelled: whoever computes frames has taken them out.
            if item in self._lines[priority]:
                self._lines[priority].remove(item)

    async def arrived(self, most: int) -> None:
        """Return when this many frames wait."""
        while sum(len(self.waiting(priority)) for priority in Priority) < most:
            self._changed.clear()
            await self._changed.wait()

    def waiting(self, priority: Priority) -> list[WorkItem]:
        """Frames that wait, oldest first."""
        return [item for item in self._lines[priority] if not item.reply.done()]

    def take(self, items: list[WorkItem]) -> None:
        """Take frames out; whoever takes them answers them."""
        for item in items:
            self._lines[item.priority].remove(item)

    def close(self, error: KineposeError) -> None:
        """Answer all that wait with this error, and all that still come."""
        self._closed = error
        for line in self._lines.values():
            while line:
                line.popleft().answer(_copy(error))


class Batcher:
    """Forms micro-batches out of a queue.

    Args:
        queue: where frames wait.
        live_sessions: how many sessions have frames in flight, those that wait here included.
        max_batch: frames in a batch, at most.
        wait_s: how long a batch waits for the other live sessions; a lone one is never kept waiting.
        clip_every: while both wait, at least one frame of this many is a clip's.
    """

    def __init__(
        self,
        queue: FrameQueue,
        live_sessions: Callable[[], int],
        *,
        max_batch: int,
        wait_s: float,
        clip_every: int,
    ) -> None:
        self.max_batch = max_batch
        self._queue = queue
        self._live_sessions = live_sessions
        self._wait_s = wait_s
        self._clip_every = clip_every
        self._passed_over = 0

    async def next_batch(self) -> list[WorkItem]:
        """Wait for work; at least one frame, none that nobody waits for any more."""
        while True:
            await self._queue.arrived(1)
            await self._wait_for_company()
            if batch := self.waiting_batch():
                return batch

    def waiting_batch(self, busy: Container[str] = ()) -> list[WorkItem]:
        """What waits now, which may be nothing; none of sessions that have a frame under way (`busy`)."""
        live = _first_of_each_session(self._queue.waiting(Priority.LIVE), busy)
        clips = _first_of_each_session(self._queue.waiting(Priority.CLIP), busy)
        batch: dict[str, WorkItem] = {}
        while (live or clips) and len(batch) < self.max_batch:
            item = (clips if self._clip_is_next(live, clips) else live).pop(0)
            batch.setdefault(item.session_id, item)
        taken = list(batch.values())
        self._queue.take(taken)
        return taken

    async def _wait_for_company(self) -> None:
        company = min(self._live_sessions(), self.max_batch)
        if company <= 1 or self._wait_s == 0:
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._queue.arrived(company)
        except TimeoutError:
            return  # The others are still decoding or on their way; those that are here go now.

    def _clip_is_next(self, live: list[WorkItem], clips: list[WorkItem]) -> bool:
        if not clips:
            self._passed_over = 0
            return False
        if not live or self._passed_over >= self._clip_every - 1:
            self._passed_over = 0
            return True
        self._passed_over += 1
        return False


def _first_of_each_session(items: list[WorkItem], busy: Container[str]) -> list[WorkItem]:
    first: dict[str, WorkItem] = {}
    for item in items:
        if item.session_id not in busy:
            first.setdefault(item.session_id, item)
    return list(first.values())


def _copy(error: KineposeError) -> KineposeError:
    # One exception object must not go to several callers: each adds its own traceback and session to it.
    return type(error)(error.detail, retry_after_ms=error.retry_after_ms)
