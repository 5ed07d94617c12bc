"""Room for frames in flight: so many of the server, so many of each API key."""

import asyncio

import anyio

from service.auth.api_keys import Caller
from service.errors import QueueFull

SHORTEST_RETRY_MS = 20
LONGEST_RETRY_MS = 5000
SMOOTHING = 0.1


class InFlight:
    """Counts the server's frames in flight: when it is full, `take` refuses and `wait` waits in line.

    Args:
        most: of all.
        most_per_key: of one API key, where there are keys.
    """

    def __init__(self, most: int, most_per_key: int) -> None:
        self._most = most
        self._most_per_key = most_per_key
        self._places = anyio.Semaphore(most, fast_acquire=True)
        self._shares: dict[str, anyio.Semaphore] = {}
        self._mean_s = SHORTEST_RETRY_MS / 1000

    @property
    def count(self) -> int:
        """How many there are."""
        return self._most - self._places.value

    def take(self, caller: Caller) -> None:
        """Take a place, or raise QueueFull."""
        share = self._share(caller)
        try:
            if share:
                share.acquire_nowait()
        except anyio.WouldBlock:
            detail = f"API key {caller.key_id} has {self._most_per_key} frames in flight, its limit"
            raise QueueFull(detail, retry_after_ms=self.retry_after_ms()) from None
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            if share:
                share.release()
            detail = f"the server has {self.count} frames in flight, its limit"
            raise QueueFull(detail, retry_after_ms=self.retry_after_ms()) from None

    async def wait(self, caller: Caller) -> None:
        """Take a place, waiting for one, first come first served."""
        share = self._share(caller)
        if share:
            await share.acquire()
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            if share:
                share.release()
            raise

    def release(self, caller: Caller, seconds: float | None = None) -> None:
        """Give a place back; `seconds` is how long a frame held it, None where it was not used."""
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)
        self._places.release()
        if share := self._share(caller):
            share.release()

    def retry_after_ms(self) -> int:
        """When trying again makes sense: after about as long as a frame lately took."""
        return int(min(max(1000 * self._mean_s, SHORTEST_RETRY_MS), LONGEST_RETRY_MS))

    def _share(self, caller: Caller) -> anyio.Semaphore | None:
        if caller.key_id is None:
            return None
        return self._shares.setdefault(caller.key_id, anyio.Semaphore(self._most_per_key, fast_acquire=True))
