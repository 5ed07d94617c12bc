"""Connections that are left half way, for what no client library does."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(port: int, *said: bytes) -> AsyncIterator[list[Pair]]:
    """A connection each for what is said over it; all stay open as long as the block lasts."""
    pairs: list[Pair] = []
    try:
        for words in said:
            pairs.append(await asyncio.open_connection("127.0.0.1", port))
            pairs[-1][1].write(words)
            await pairs[-1][1].drain()
        yield pairs
    finally:
        for _, writer in pairs:
            writer.close()
        with suppress(ConnectionError):
            await asyncio.gather(*(writer.wait_closed() for _, writer in pairs))


def post(path: str, length: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A POST that announces so many bytes, and what of them is sent."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body
