"""Which waiting frames are computed together.

At most one frame of a session in a batch; interactive frames before those of clips, yet no more than
`clip_every` - 1 of them in a row while a clip waits.
"""

import asyncio
from collections.abc import Callable

from service.inference.queue import FrameQueue, Priority, WorkItem


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
        self._queue = queue
        self._live_sessions = live_sessions
        self._max_batch = max_batch
        self._wait_s = wait_s
        self._clip_every = clip_every
        self._passed_over = 0

    async def next_batch(self) -> list[WorkItem]:
        """Wait for work; at least one frame, none that nobody waits for any more."""
        while True:
            await self._queue.arrived(1)
            await self._wait_for_company()
            if batch := self._pick():
                self._queue.take(batch)
                return batch

    async def _wait_for_company(self) -> None:
        company = min(self._live_sessions(), self._max_batch)
        if company <= 1 or self._wait_s == 0:
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._queue.arrived(company)
        except TimeoutError:
            return  # The others are still decoding or on their way; those that are here go now.

    def _pick(self) -> list[WorkItem]:
        interactive = _first_of_each_session(self._queue.waiting(Priority.INTERACTIVE))
        clips = _first_of_each_session(self._queue.waiting(Priority.CLIP))
        batch: dict[str, WorkItem] = {}
        while (interactive or clips) and len(batch) < self._max_batch:
            item = (clips if self._clip_is_next(interactive, clips) else interactive).pop(0)
            batch.setdefault(item.session_id, item)
        return list(batch.values())

    def _clip_is_next(self, interactive: list[WorkItem], clips: list[WorkItem]) -> bool:
        if not clips:
            self._passed_over = 0
            return False
        if not interactive or self._passed_over >= self._clip_every - 1:
            self._passed_over = 0
            return True
        self._passed_over += 1
        return False


def _first_of_each_session(items: list[WorkItem]) -> list[WorkItem]:
    first: dict[str, WorkItem] = {}
    for item in items:
        first.setdefault(item.session_id, item)
    return list(first.values())
