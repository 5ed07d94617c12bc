"""Request bodies, read as they come and never beyond their limit: raw, or the part `file` of a form."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.auth.api_keys import Caller
from service.errors import BadRequest, TooLarge, UnsupportedMedia
from service.transports.pace import Pace
from service.transports.services import Services

MAX_FIELD_BYTES = 4096
MAX_PARTS = 16
# What boundaries, part headers and small fields may add to a file.
FORM_OVERHEAD_BYTES = 64 * 1024

Fields = dict[str, str]


@dataclass(frozen=True)
class Sink:
    """Where a body goes.

    Attributes:
        file: what it is written to.
        limit: the most bytes it may have.
        pace: how slowly it may come.
        grow: called with each piece's length before it is kept; what it raises ends the body.
        run: runs what writes a piece; off the event loop where that is a disk, so that a fast sender is held back.
    """

    file: BinaryIO
    limit: int
    pace: Pace
    grow: Callable[[int], None]
    run: Callable[[Callable[[], None]], Awaitable[None]]


async def _at_once(write: Callable[[], None]) -> None:
    write()


@contextmanager
def in_memory(services: Services, caller: Caller, limit: int) -> Iterator[tuple[BytesIO, Sink]]:
    """A buffer for a body of at most `limit` bytes, and its sink; it counts as incoming as long as the block lasts."""
    buffer = BytesIO()
    with services.pipeline.incoming.holding(caller) as held:
        yield buffer, Sink(buffer, limit, Pace.of(services.settings), held.add, _at_once)


async def receive_file(request: Request, sink: Sink) -> Fields:
    """Copy the picture or clip of a request into `sink`; answers with the other fields, if it is a form.

    Raises:
        TooLarge: more than the limit, by Content-Length where there is one, and by counting.
        TooSlow: it stops coming.
        QueueFull, StorageFull: no room for more of it.
        UnsupportedMedia: a body that is compressed as a whole, or JSON.
        BadRequest: a form that does not parse or has no part `file`.
        ClientDisconnect: the sender went away.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"application/json":
        raise UnsupportedMedia("application/json: send the file itself as the body, or a form with a part `file`")
    if kind != b"multipart/form-data":
        await copy_body(request, sink)
        return {}
    form = _Form(options.get(b"boundary", b""), sink.file, sink.limit)
    async for piece in _limited(request, sink, sink.limit + FORM_OVERHEAD_BYTES):
        await sink.run(partial(form.feed, piece))
    return form.finish()


async def copy_body(request: Request, sink: Sink) -> None:
    """Copy a whole body into `sink`. Raises as `receive_file`."""
    async for piece in _limited(request, sink, sink.limit):
        await sink.run(partial(_append, sink.file, piece))


def declared_bytes(request: Request) -> int:
    """How long a body says it is; 0 where it does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _append(file: BinaryIO, piece: bytes) -> None:
    file.write(piece)
    file.flush()  # A full disk is met here, and not by a later close.


async def _limited(request: Request, sink: Sink, limit: int) -> AsyncIterator[bytes]:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMedia(f"Content-Encoding {encoding[:40]}: bodies are not decompressed, send the file as it is")
    if declared_bytes(request) > limit:
        raise TooLarge.body(limit)
    received = 0
    pieces = request.stream()
    while (piece := await sink.pace.wait(anext(pieces, None))) is not None:
        received += len(piece)
        if received > limit:
            raise TooLarge.body(limit)
        if piece:
            sink.pace.came(len(piece))
            sink.grow(len(piece))
            yield piece


class _Form:
    """A multipart form: the part `file` goes to the sink, small parts become fields."""

    def __init__(self, boundary: bytes, sink: BinaryIO, limit: int) -> None:
        if not boundary:
            raise BadRequest("multipart/form-data without a boundary")
        self._sink = sink
        self._limit = limit
        self._fields: dict[str, bytearray] = {}
        self._part = ""
        self._header_name, self._header_value = bytearray(), bytearray()
        self._file_bytes, self._files, self._parts = 0, 0, 0
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise BadRequest(f"multipart/form-data: {error}") from error

    def feed(self, piece: bytes) -> None:
        """Parse the next piece of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BadRequest(f"multipart/form-data: {error}") from error

    def finish(self) -> Fields:
        """The fields, once the body has ended."""
        if not self._ended:
            raise BadRequest("multipart/form-data: the body ends before its last boundary")
        if self._files != 1:
            raise BadRequest(f"multipart/form-data: expected one part `file`, got {self._files}{self._others()}")
        return {name: value.decode("utf-8", "replace") for name, value in self._fields.items()}

    def _others(self) -> str:
        return f", beside {', '.join(repr(name[:40]) for name in self._fields)}" if self._fields else ""

    def _on_part_begin(self) -> None:
        self._part = ""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadRequest(f"multipart/form-data: more than {MAX_PARTS} parts")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._part = options.get(b"name", b"").decode("utf-8", "replace")
        self._header_name, self._header_value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        if self._part == "file":
            self._files += 1
        else:
            self._fields[self._part] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._write(data[start:end])
            return
        field = self._fields[self._part]
        field += data[start:end]
        if len(field) > MAX_FIELD_BYTES:
            raise BadRequest(f"field {self._part[:40]!r} is above {MAX_FIELD_BYTES} bytes; the file goes into `file`")

    def _write(self, piece: bytes) -> None:
        self._file_bytes += len(piece)
        if self._file_bytes > self._limit:
            raise TooLarge.body(self._limit)
        self._sink.write(piece)

    def _on_end(self) -> None:
        self._ended = True
