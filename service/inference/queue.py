"""Hands frames to workers: the protocol, and the queue inside one process."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from model.tracker import Tracked, TrackRequest
from service.errors import KineposeError


class Priority(IntEnum):
    """Somebody waits for the next interactive frame; a clip only has to come to its end."""

    INTERACTIVE = 0
    CLIP = 1


@dataclass(slots=True, eq=False)
class WorkItem:
    """One frame that waits for a worker. `reply` gets exactly one answer, or its caller cancels it."""

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


class FrameQueue(Protocol):
    """Between the ones who have frames and the workers who compute them."""

    async def submit(self, session_id: str, request: TrackRequest, priority: Priority) -> Tracked:
        """Wait for the answer. Cancelling takes the frame out, or drops its answer if it is in a batch."""
        ...

    async def arrived(self, most: int) -> None:
        """Return when this many frames wait."""
        ...

    def waiting(self, priority: Priority) -> list[WorkItem]:
        """Frames that wait, oldest first."""
        ...

    def take(self, items: list[WorkItem]) -> None:
        """Take frames out; whoever takes them answers them."""
        ...

    def close(self, error: KineposeError) -> None:
        """Answer all that wait with this error, and all that still come."""
        ...


class InProcessQueue:
    """The queue inside one event loop: one line for each priority."""

    def __init__(self) -> None:
        self._lines: dict[Priority, deque[WorkItem]] = {priority: deque() for priority in Priority}
        self._changed = asyncio.Event()
        self._closed: KineposeError | None = None

    async def submit(self, session_id: str, request: TrackRequest, priority: Priority) -> Tracked:
        """See FrameQueue."""
        if self._closed is not None:
            raise _copy(self._closed)
        item = WorkItem(session_id, request, priority, asyncio.get_running_loop().create_future())
        self._lines[priority].append(item)
        self._changed.set()
        try:
            return await item.reply
        finally:
            # Still in line only where the caller was cancelled: a worker has taken out what it answers.
            if item in self._lines[priority]:
                self._lines[priority].remove(item)

    async def arrived(self, most: int) -> None:
        """See FrameQueue."""
        while sum(len(self.waiting(priority)) for priority in Priority) < most:
            self._changed.clear()
            await self._changed.wait()

    def waiting(self, priority: Priority) -> list[WorkItem]:
        """See FrameQueue."""
        return [item for item in self._lines[priority] if not item.reply.done()]

    def take(self, items: list[WorkItem]) -> None:
        """See FrameQueue."""
        for item in items:
            self._lines[item.priority].remove(item)

    def close(self, error: KineposeError) -> None:
        """See FrameQueue."""
        self._closed = error
        for line in self._lines.values():
            while line:
                line.popleft().answer(_copy(error))


def _copy(error: KineposeError) -> KineposeError:
    # One exception object must not go to several callers: each adds its own traceback and session to it.
    return type(error)(error.detail, retry_after_ms=error.retry_after_ms)
