"""What a page's WebSocket sends and is answered."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page

TIMEOUT_S = 30.0


class Stream:
    """The frames of a page's WebSocket and their answers."""

    def __init__(self, page: Page) -> None:
        self.pictures: list[bytes] = []
        self.answers: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._changed = asyncio.Event()
        page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.pictures.append(message)
            self.most_in_flight = max(self.most_in_flight, len(self.pictures) - len(self.answers))

    def _received(self, text: str) -> None:
        self.answers.append(json.loads(text))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the answer after which it holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def answered(self, count: int) -> None:
        """Wait for so many more answers."""
        goal = len(self.answers) + count
        await self.until(lambda: len(self.answers) >= goal)

    def has_source(self, source: str, not_of: str | None = None) -> bool:
        """Whether somebody was read so, in another session than that one."""
        answers = [answer for answer in self.answers if answer.get("session_id") not in (None, not_of)]
        return any(person["region_source"] == source for answer in answers for person in answer.get("people", []))
