"""Whose clip is computed next: some at once, and the API key with the fewest of them before the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.auth.api_keys import Caller


@dataclass(eq=False)
class _Waiting:
    key_id: str | None
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """Places that callers take turns in. Of one event loop.

    Args:
        most: places.
        most_per_key: those that one API key may have at once, however many are free.
    """

    def __init__(self, most: int, most_per_key: int) -> None:
        self._most = most
        self._most_per_key = most_per_key
        self._taken: Counter[str | None] = Counter()
        self._line: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        """Waits for a place, and has it as long as the block lasts."""
        waiting = _Waiting(caller.key_id)
        self._line.append(waiting)
        self._give()
        try:
            await waiting.turn
            yield
        finally:
            self._leave(waiting)

    def _leave(self, waiting: _Waiting) -> None:
        if waiting in self._line:
            self._line.remove(waiting)
        else:
            self._taken[waiting.key_id] -= 1
        self._give()

    def _give(self) -> None:
        while self._taken.total() < self._most and (chosen := self._next()) is not None:
            self._line.remove(chosen)
            self._taken[chosen.key_id] += 1
            if not chosen.turn.done():
                chosen.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        may = (w for w in self._line if w.key_id is None or self._taken[w.key_id] < self._most_per_key)
        # The first of them in the line, where several keys have as few.
        return min(may, key=lambda w: self._taken[w.key_id], default=None)
