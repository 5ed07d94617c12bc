"""Request bodies: forms and raw ones, in pieces of any size."""

import asyncio
from io import BytesIO
from typing import Any

from fastapi import Request

from service.errors import BadRequest, KineposeError, TooLarge, UnsupportedMedia
from service.transports.http.uploads import Sink, receive_file
from service.transports.pace import Pace
from tests.fuzz.messages import check_told

LIMIT = 2000
FORM = b"multipart/form-data; boundary=x"


def check_form(data: bytes) -> None:
    """A Content-Type, a line end, a body: refused, or a file and fields, the same however the body is cut."""
    kind, _, body = data.partition(b"\n")
    step = 1 + len(body) % 5
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    assert received(kind, [body]) == received(kind, pieces)


def received(kind: bytes, pieces: list[bytes]) -> tuple[bytes, dict[str, str]] | type[KineposeError]:
    """What a call with this body takes from it, or the kind of error that it ends with."""
    buffer = BytesIO()
    try:
        fields = asyncio.run(_receive(kind, pieces, buffer))
    except (BadRequest, TooLarge, UnsupportedMedia) as error:
        check_told(error)
        return type(error)
    assert len(buffer.getvalue()) <= LIMIT
    return buffer.getvalue(), fields


async def _receive(kind: bytes, pieces: list[bytes], buffer: BytesIO) -> dict[str, str]:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(coming)

    async def run(write: Any) -> None:
        write()

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [(b"content-type", kind)]}
    sink = Sink(buffer, LIMIT, Pace(60.0, 1.0), lambda _: None, run)
    return await receive_file(Request(scope, receive), sink)


def forms() -> list[bytes]:
    """A file with fields beside it; a file under another name; one that is quoted oddly; a raw body."""
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    file, field, last = part % (b"file", b"\xff\xd8" * 40), part % (b"region", b"1,2,3,4"), b"--x--\r\n"
    named = b'--x\r\ncontent-disposition: form-data; filename*=x; name=file; filename="a\\"b"\r\nX: y\r\n\r\nz\r\n'
    return [
        *(FORM + b"\n" + body for body in (file + last, field + file + last, part % (b"video", b"z") + last)),
        FORM + b"\n" + named + last,
        FORM + b"\nignored\r\n" + file + b"--x--",
        b"image/jpeg\n\xff\xd8\xff",
        b'multipart/form-data; boundary="y y"; charset=utf-8\n--y y--\r\n',
        b"multipart/form-data\n",
    ]
