"""uvicorn's HTTP protocol with bounds on what a peer may send before anybody has asked who it is.

uvicorn's parser takes headers of any size and number, for any time: 48 MB of tiny ones cost more than a gigabyte.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.contract.problem import MEDIA_TYPE, Problem

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers; as much of a body's trailers or chunk headers without a byte of the body."""
MAX_HEADERS: Final = 128


class _HeadTooLarge(Exception):
    """Raised inside the parser, which ends with it."""


class BoundedHttp(HttpToolsProtocol):
    """A connection whose request heads are bounded in bytes, number and time; see `bounded`."""

    head_timeout_s: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._without_body, self._head_bytes, self._headers = 0, 0, 0
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head has to come in time."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse once too much came that is no body."""
        self._without_body += len(data)
        super().data_received(data)
        if self._without_body > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_bytes, self._headers = 0, 0
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or trailer."""
        self._head_bytes += len(name) + len(value)
        self._headers += 1
        if self._head_bytes > MAX_HEAD_BYTES or self._headers > MAX_HEADERS:
            raise _HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is taken in from here on."""
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ends."""
        self._without_body = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser ended with, as problem+json."""
        too_large = self._head_bytes > MAX_HEAD_BYTES or self._headers > MAX_HEADERS
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST)

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_timeout_s, self._on_late)

    def _on_late(self) -> None:
        self._late = None
        if self._busy():  # The next request waits behind the one at work, and is not read meanwhile.
            self._await_head()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_came()
        if self._busy():  # Another answer may be half written.
            self.transport.abort()
            return
        code = status.phrase.lower().replace(" ", "_")
        body = Problem.of(status, code, status.description or status.phrase).model_dump_json().encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()


def bounded(head_timeout_s: float) -> type[BoundedHttp]:
    """The protocol whose peers have this long to send a request's line and headers, in seconds."""
    return type("BoundedHttp", (BoundedHttp,), {"head_timeout_s": head_timeout_s})
