"""What callers share at one time: so much in all, and so much for each API key.

    uploads = Quota("uploads", 64, 8)
    with uploads.holding(caller) as held:       what the block holds is given back at its end
        held.add()                              QueueFull where there is no more

Where no keys are configured all callers are one, and only the whole amount bounds them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.auth.api_keys import Caller
from service.errors import KineposeError, QueueFull

RETRY_AFTER_MS = 1000


class Quota:
    """An amount of something that is held for a time. Of one event loop.

    Args:
        what: of which there is so much, for the words of a refusal.
        most, most_per_key: how much may be held in all, and by one key.
        full: raised where all of it is held; QueueFull where a key holds its share.
    """

    def __init__(self, what: str, most: int, most_per_key: int, full: type[KineposeError] = QueueFull) -> None:
        self._what = what
        self._most = most
        self._most_per_key = most_per_key
        self._full = full
        self._held: Counter[str | None] = Counter()
        self._released = asyncio.Event()

    @property
    def total(self) -> int:
        """How much is held."""
        return self._held.total()

    def held_by(self, key_id: str | None) -> int:
        """How much a key holds."""
        return self._held[key_id]

    def check(self, caller: Caller, amount: int = 1) -> None:
        """Raise where there is no room for so much more."""
        if caller.key_id is not None and self._held[caller.key_id] + amount > self._most_per_key:
            words = f"API key {caller.key_id} may hold {self._most_per_key} {self._what} at once"
            raise QueueFull(words, retry_after_ms=RETRY_AFTER_MS)
        if self.total + amount > self._most:
            raise self._full(f"the server holds {self._most} {self._what} at once", retry_after_ms=RETRY_AFTER_MS)

    def take(self, caller: Caller, amount: int = 1) -> None:
        """Hold so much more. Raises as `check`."""
        self.check(caller, amount)
        self._held[caller.key_id] += amount

    async def wait(self, caller: Caller, amount: int = 1) -> None:
        """Hold so much more once there is room; who holds nothing always gets it where nobody else does."""
        while not self._fits(caller, amount):
            self._released.clear()
            await self._released.wait()
        self._held[caller.key_id] += amount

    def release(self, caller: Caller, amount: int = 1) -> None:
        """Give back."""
        self._held[caller.key_id] -= amount
        if self._held[caller.key_id] <= 0:
            del self._held[caller.key_id]
        self._released.set()

    @contextmanager
    def holding(self, caller: Caller) -> "Iterator[Holding]":
        """Gives back at the end of the block what was added to it."""
        held = Holding(self, caller)
        try:
            yield held
        finally:
            held.clear()

    def _fits(self, caller: Caller, amount: int) -> bool:
        own = self._held[caller.key_id]
        share = self._most if caller.key_id is None else self._most_per_key
        return (own == 0 or own + amount <= share) and (self.total == 0 or self.total + amount <= self._most)


class Holding:
    """What one call holds of a quota."""

    def __init__(self, quota: Quota, caller: Caller) -> None:
        self._quota = quota
        self._caller = caller
        self.amount = 0

    def add(self, amount: int = 1) -> None:
        """Hold so much more. Raises as `Quota.check`."""
        self._quota.take(self._caller, amount)
        self.amount += amount

    async def wait(self, amount: int = 1) -> None:
        """Hold so much more once there is room."""
        await self._quota.wait(self._caller, amount)
        self.amount += amount

    def remove(self, amount: int = 1) -> None:
        """Give some of it back."""
        self._quota.release(self._caller, amount)
        self.amount -= amount

    def clear(self) -> None:
        """Give all of it back."""
        if self.amount:
            self.remove(self.amount)
