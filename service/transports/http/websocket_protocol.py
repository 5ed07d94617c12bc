"""uvicorn's WebSocket protocol with bounds on messages before they are whole, and on how little a peer may take.

The library bounds a message in bytes alone. A text need not be as long as a picture; a message may come in millions of
pieces, or stop in its middle; pings ask for pongs that nobody reads.
"""

import json
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Opcode

from service.auth.access import Quota
from service.auth.api_keys import ANYONE, Caller
from service.config import Settings
from service.contract import problem
from service.errors import BadRequest, KineposeError, TooLarge, TooSlow
from service.transports.http.protocol import Alarm

MAX_TEXT_BYTES: Final = 16 * 1024
"""Of a text message; `websocket` takes shorter ones still."""
MAX_FRAGMENTS: Final = 1024
CLOSE_LINGER_S: Final = 2.0
"""How long a peer that is told of its fault may still send, so that it reads what it is told."""


class FrameHeaders:
    """Reads the headers of frames out of what a peer sends (RFC 6455, 5.2), before their payloads have come.

    Attributes:
        text_bytes: of the longest text so far, as announced, over all its frames.
    """

    def __init__(self) -> None:
        self.text_bytes = 0
        self._header = bytearray()
        self._payload = 0
        self._is_text, self._message_bytes = False, 0

    def feed(self, data: bytes) -> list[int]:
        """Opcode of each frame whose header ends in these bytes; `text_bytes` is what they make of a text."""
        found, at = [], 0
        while at < len(data):
            if self._payload:
                step = min(self._payload, len(data) - at)
                self._payload -= step
                at += step
                continue
            self._header.append(data[at])
            at += 1
            if len(self._header) == self._header_length():
                found.append(self._header[0] & 0x0F)
                self._payload = self._length()
                self._count(found[-1])
                self._header.clear()
        return found

    def _count(self, opcode: int) -> None:
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text, self._message_bytes = opcode == Opcode.TEXT, 0
        if opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._message_bytes += self._payload
        if self._is_text:
            self.text_bytes = max(self.text_bytes, self._message_bytes)

    def _header_length(self) -> int:
        if len(self._header) < 2:
            return 2
        masked, short = self._header[1] & 0x80, self._header[1] & 0x7F
        return 2 + {126: 2, 127: 8}.get(short, 0) + (4 if masked else 0)

    def _length(self) -> int:
        short = self._header[1] & 0x7F
        size = {126: 2, 127: 8}.get(short, 0)
        return int.from_bytes(self._header[2 : 2 + size]) if size else short


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A connection whose messages are bounded in kind, pieces, bytes of all connections, and time; see `bounded`."""

    settings: ClassVar[Settings]
    unfinished: ClassVar[Quota]
    """Bytes of messages that are not whole, of all connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._headers = FrameHeaders()
        self._came, self._came_by_then = 0, 0
        self._caller: Caller = ANYONE
        self._held = 0
        self._stalled = Alarm(self._on_stalled)
        """Set while a message is not whole."""
        self._unread = Alarm(self._abort)
        """Set while the peer takes nothing of what it is sent."""
        self._ended = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        for alarm in (self._stalled, self._unread):
            alarm.stop()
        self._hold(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and end the connection over a message that may not become whole."""
        if self._ended:  # Nothing more is kept; whoever has read why closes, too.
            if Opcode.CLOSE in self._headers.feed(data):
                self.transport.close()
            return
        if not self.handshake_initiated:
            super().data_received(data)
            return
        try:
            self._headers.feed(data)
            if self._headers.text_bytes > MAX_TEXT_BYTES:
                raise TooLarge(f"a text message is above {MAX_TEXT_BYTES} bytes; pictures go into binary messages")
            self._came += len(data)
            super().data_received(data)
            if not self.close_sent:
                self._check_unfinished()
        except KineposeError as error:
            self._end(error)

    def handle_ping(self) -> None:
        """Answered, unless the answers before it are not taken."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        super().pause_writing()
        self._unread.set(self.settings.send_timeout_s)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._unread.stop()

    def _check_unfinished(self) -> None:
        if len(self.frames) > MAX_FRAGMENTS:
            raise BadRequest(f"a message comes in more than {MAX_FRAGMENTS} pieces")
        size = len(self.conn.reader.buffer) + sum(map(len, self.frames))
        self._hold(size)
        if not size:
            self._stalled.stop()
        else:
            self._await_more()

    def _hold(self, size: int) -> None:
        """Hold so many bytes of the quota. Raises QueueFull."""
        if size > self._held:
            if not self._held:
                self._caller = self.scope.get("state", {}).get("caller", ANYONE)
            self.unfinished.take(self._caller, size - self._held)
        elif size < self._held:
            self.unfinished.release(self._caller, self._held - size)
        self._held = size

    def _await_more(self) -> None:
        self._came_by_then = self._came
        self._stalled.set(self.settings.body_timeout_s)

    def _on_stalled(self) -> None:
        due = self.settings.body_timeout_s * self.settings.min_body_bytes_per_s
        if self.read_paused or self._came - self._came_by_then >= due:
            self._await_more()
        else:
            self._end(
                TooSlow(f"a message came too slowly: less than {due:g} bytes in {self.settings.body_timeout_s:g} s")
            )

    def _end(self, error: KineposeError) -> None:
        """Tell the error, close, and let go of the message."""
        if self.close_sent or self.transport.is_closing():
            return
        code = CloseCode.MESSAGE_TOO_BIG if isinstance(error, TooLarge) else CloseCode.POLICY_VIOLATION
        if self.handshake_complete:
            said = {"error": problem.to_problem(error)}
            self.conn.send_text(json.dumps(said, separators=(",", ":")).encode())
        self.conn.fail(code, error.code)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": error.code})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._ended = True
        self.frames = []
        self.conn.reader.buffer.clear()
        self._hold(0)
        self._stalled.stop()
        if self.read_paused:
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_LINGER_S, self.transport.close)

    def _abort(self) -> None:
        self.transport.abort()


def bounded(settings: Settings) -> type[BoundedWebSocket]:
    """The protocol whose limits are those of the settings."""
    quota = Quota("bytes of unfinished messages", settings.max_incoming_bytes, settings.max_incoming_bytes_per_key)
    return type("BoundedWebSocket", (BoundedWebSocket,), {"settings": settings, "unfinished": quota})
