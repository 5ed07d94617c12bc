"""How slowly a peer may send: every so many bytes have to come within a time, or its call ends."""

import asyncio
from collections.abc import Awaitable
from typing import Self, TypeVar

from service.config import Settings
from service.errors import TooSlow

T = TypeVar("T")


class Pace:
    """Of one body. The time counts in which its next piece is waited for, and no other.

    Args:
        seconds: time for `amount` bytes.
    """

    def __init__(self, seconds: float, amount: float) -> None:
        self._seconds = seconds
        self._amount = amount
        self._left_s = seconds
        self._due = amount

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        return cls(settings.body_timeout_s, settings.body_timeout_s * settings.min_body_bytes_per_s)

    async def wait(self, coming: Awaitable[T]) -> T:
        """The next piece. Raises TooSlow."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                return await coming
        except TimeoutError as error:
            raise TooSlow(
                f"the body came too slowly: less than {self._amount:g} bytes in {self._seconds:g} s"
            ) from error
        finally:
            self._left_s -= loop.time() - began

    def came(self, amount: int) -> None:
        """So many bytes of it."""
        self._due -= amount
        if self._due <= 0:
            self._left_s, self._due = self._seconds, self._amount
