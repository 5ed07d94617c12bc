"""Sockets of this process and raw HTTP, for what no client library shows."""

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def accepted_on(port: int) -> Iterator[socket.socket]:
    """Copies of this process's sockets that a server accepted on a port."""
    for entry in Path("/proc/self/fd").iterdir():
        # A copy of what is no socket would stay open: nothing takes it over.
        if not _is_socket(int(entry.name)):
            continue
        with suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as copy:
            if (
                copy.family in (socket.AF_INET, socket.AF_INET6)
                and copy.getsockname()[1] == port
                and copy.getpeername()
            ):
                yield copy


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:  # closed meanwhile
        return False


def without_delay(port: int) -> list[bool]:
    """Whether TCP_NODELAY is set, of each connection accepted on a port."""
    return [bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for copy in accepted_on(port)]


async def replied(host: str, port: int, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that a server says to these bytes until it hangs up."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    said = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            said += piece
    writer.close()
    return bytes(said)
