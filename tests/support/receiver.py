"""A server that webhooks come to, with answers that a test chooses."""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()

OK = "HTTP/1.1 204 No Content\r\n\r\n"
BROKEN = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
GONE = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
SILENCE = ""


@dataclass(frozen=True)
class Received:
    """One request: its first line, its headers in small letters, its body."""

    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers in turn from `answers`, then always with 204; `SILENCE` never answers.

    Attributes:
        port: on loopback.
        requests: as they come, `await receiver.requests.get()`.
    """

    def __init__(self, *answers: str) -> None:
        self.port = 0
        self.requests: asyncio.Queue[Received] = asyncio.Queue()
        self._answers = deque(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, of one request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.put_nowait(Received(line, headers, body))
            answer = self._answers.popleft() if self._answers else OK
            writer.write(answer.encode())
            if answer is SILENCE:
                await reader.read()  # until the other side hangs up
        writer.close()


@asynccontextmanager
async def receiving(
    *answers: str, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver(*answers)
    server = await asyncio.start_server(receiver.serve, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


def secrets_file(folder: Path, *lines: str) -> Path:
    """A file of secrets, of the one above where no others are named."""
    path = folder / "webhook-secrets"
    path.write_text("# what signs webhooks\n" + "\n".join(lines or (SECRET,)) + "\n", encoding="utf-8")
    return path
