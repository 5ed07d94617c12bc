"""uvicorn's HTTP protocol with bounds on what a peer may send, and on how little it may take.

uvicorn's parser takes headers of any size and number, for any time: 48 MB of tiny ones cost more than a gigabyte. A
body that nobody reads any more may stop in its middle for ever, and so may the reading of an answer.
"""

import asyncio
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.config import Settings
from service.contract import problem
from service.contract.problem import MEDIA_TYPE, Problem
from service.errors import KineposeError, ServerBusy
from service.transports.http.auth import OPEN_PATHS

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers; as much of a body's trailers or chunk headers without a byte of the body."""
MAX_HEADERS: Final = 128
SURPLUS_HEAD_TIMEOUT_S: Final = 1.0
"""A connection above the limit has this long to send its head, to be refused, or to ask for a probe."""


class Alarm:
    """Calls back unless it is stopped in time. Setting it again while it is set does nothing."""

    def __init__(self, on_late: Callable[[], None]) -> None:
        self._on_late = on_late
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Wait so long from now on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._fire)

    def stop(self) -> None:
        """It came in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._on_late()


class _Refused(Exception):
    """Raised inside the parser, which ends with it."""


class BoundedHttp(HttpToolsProtocol):
    """A connection whose request heads are bounded in bytes, number and time; see `bounded`."""

    settings: ClassVar[Settings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._without_body, self._head_bytes, self._headers = 0, 0, 0
        self._surplus, self._in_body = False, False
        self._refusal: KineposeError | HTTPStatus = HTTPStatus.BAD_REQUEST
        self._head = Alarm(self._on_late_head)
        self._unread = Alarm(self._abort)
        """Set while the peer takes nothing of what it is sent."""
        self._unwanted = Alarm(self._abort)
        """Set while a body comes whose request has been answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head has to come in time."""
        super().connection_made(transport)
        self._surplus = len(self.connections) > self.settings.max_connections
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        for alarm in (self._head, self._unread, self._unwanted):
            alarm.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse once too much came that is no body."""
        self._without_body += len(data)
        super().data_received(data)
        if self._without_body > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def handle_websocket_upgrade(self) -> None:
        """The connection goes on under another protocol."""
        self._without_body = 0
        super().handle_websocket_upgrade()

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
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is taken in from here on."""
        self._head.stop()
        if self._surplus and self.url.decode("latin-1").removeprefix(self.settings.http_path_prefix) not in OPEN_PATHS:
            self._refusal = ServerBusy(f"the server has {self.settings.max_connections} connections, its limit")
            raise _Refused
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ends."""
        self._without_body, self._in_body = 0, False
        self._unwanted.stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request has been answered; what is left of its body is thrown away, but not for ever."""
        super().on_response_complete()
        if self._in_body and not self._busy() and not self.transport.is_closing():
            self._unwanted.set(self.settings.body_timeout_s)

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        super().pause_writing()
        self._unread.set(self.settings.send_timeout_s)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._unread.stop()

    def send_400_response(self, msg: str) -> None:
        """What the parser ended with, as problem+json."""
        self._refuse(self._refusal)

    def _await_head(self) -> None:
        self._head.set(SURPLUS_HEAD_TIMEOUT_S if self._surplus else self.settings.http_head_timeout_s)

    def _on_late_head(self) -> None:
        if self._busy():  # The next request waits behind the one at work, and is not read meanwhile.
            self._await_head()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _abort(self) -> None:
        self.transport.abort()

    def _refuse(self, refusal: KineposeError | HTTPStatus) -> None:
        self._head.stop()
        if self.transport.is_closing():
            return
        if self._busy():  # Another answer may be half written.
            self.transport.abort()
            return
        self.transport.write(_answer(refusal))
        self.transport.close()


def _answer(refusal: KineposeError | HTTPStatus) -> bytes:
    """A whole response that ends the connection."""
    if isinstance(refusal, KineposeError):
        said, status = Problem(**problem.to_problem(refusal)), HTTPStatus(refusal.http_status)
    else:
        status, code = refusal, refusal.phrase.lower().replace(" ", "_")
        said = Problem.of(status, code, status.description or status.phrase)
    body = said.model_dump_json().encode()
    head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
    if said.retry_after_ms is not None:
        head += f"retry-after: {math.ceil(said.retry_after_ms / 1000)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def bounded(settings: Settings) -> type[BoundedHttp]:
    """The protocol whose limits are those of the settings."""
    return type("BoundedHttp", (BoundedHttp,), {"settings": settings})
