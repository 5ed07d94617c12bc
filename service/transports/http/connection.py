"""Work and answers that end with the connection of the client who asked for them."""

import asyncio
from collections.abc import AsyncIterable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`; cancels it and raises ClientDisconnect when the client goes away first.

    Call it once the body has been read: it listens where the body came from.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class ClosingStream(StreamingResponse):
    """A streamed answer that closes what it stands on, however the stream ends."""

    def __init__(self, content: AsyncIterable[bytes] | Iterable[bytes], stack: AsyncExitStack, media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then close."""
        async with self._stack:
            await super().__call__(scope, receive, send)
