"""What Kinepose itself writes and reads back, after it was changed on its way: states, records, frames and answers."""

import struct
import zlib
from dataclasses import replace
from typing import Any

from model.state_codec import MAGIC, VERSION, StateError, decode_state, encode_state
from model.values import Frame, Region
from service.contract.messages import FrameResult
from service.errors import BadImage, SeqOutOfOrder
from service.pipeline.request import FrameRequest
from service.redis import codec
from service.redis.codec import (
    Origin,
    RecordError,
    decode_answer,
    decode_meta,
    decode_request,
    decode_result,
    encode_answer,
    encode_record,
    encode_request,
)
from service.sessions.store import SessionMeta
from tests.support.pictures import smooth_picture
from tests.support.stores import meta, result, same, state

HEADER_BYTES = 10
REPLY_ID = bytes(range(16))
BETWEEN = b"--picture--"


def check_state(data: bytes) -> None:
    """A body of any bytes under a right header, and the bytes alone: refused, or a state that is written the same."""
    for blob in (sealed(data), data):
        try:
            found = decode_state(blob)
        except StateError:
            continue
        again = decode_state(encode_state(found))
        assert same(again, found), (again, found)


def sealed(body: bytes) -> bytes:
    """With a checksum that is right, so that what is behind it is met."""
    return struct.pack("<4sHI", MAGIC, VERSION, zlib.crc32(body)) + body


def check_record(data: bytes) -> None:
    """A session's metadata, a stored answer, an answer on its way: refused, or written again as it was read."""
    blob = bytes((codec.VERSION,)) + data
    for decode in (decode_meta, decode_result):
        try:
            found: SessionMeta | FrameResult = decode(blob)
        except RecordError:
            continue
        written = encode_record(found)
        assert encode_record(decode(written)) == written
    for kind in (codec.RESULT, codec.ERROR):
        _check_answer(REPLY_ID + kind + blob)


def _check_answer(blob: bytes) -> None:
    try:
        reply_id, answer = decode_answer(blob)
    except RecordError:
        return
    written = encode_answer(reply_id, answer)
    again, repeated = decode_answer(written)
    assert again == reply_id
    assert encode_answer(again, repeated) == written


def check_request(data: bytes) -> None:
    """The job and the picture of a frame that another process sent: refused, or a frame that goes on as it is."""
    job, _, picture = data.partition(BETWEEN)
    try:
        sent = decode_request("stream", b"1-0", {b"job": bytes((codec.VERSION,)) + job, b"picture": picture})
    except RecordError:
        return
    request = sent.request
    assert request.delivery is not None
    if isinstance(request.picture, Frame):
        assert min(request.picture.size) >= 1
        assert request.picture.rgb.nbytes == len(picture)
    fields = encode_request(request, request.delivery.reply_id, sent.origin, sent.budget_ms)
    again = decode_request("stream", b"1-0", {name.encode(): blob for name, blob in fields.items()})
    assert (again.origin, again.budget_ms) == (sent.origin, sent.budget_ms)
    assert encode_request(again.request, request.delivery.reply_id, again.origin, again.budget_ms) == fields


# -- seeds ------------------------------------------------------------------------------------------------


def state_bodies() -> list[bytes]:
    """Of states of several sizes."""
    return [encode_state(state(seq, size))[HEADER_BYTES:] for seq, size in enumerate((1, 2, 4))]


def records() -> list[bytes]:
    """Without the byte of their version."""
    failed = replace(result("s", 4), people=(), lost=(), error_code="bad_image", error_detail="why", image_size=None)
    values: list[Any] = [meta(), replace(meta(), owner="key"), result("s", 3, 40), failed]
    errors = [BadImage("why"), SeqOutOfOrder("why", "s", 4, 5, 600)]
    made = [encode_record(value) for value in values] + [encode_answer(REPLY_ID, error)[17:] for error in errors]
    return [blob[1:] for blob in made]


def requests() -> list[bytes]:
    """An encoded and a decoded picture."""
    picture = Frame(smooth_picture(6, 4), rotation_applied=90)
    plain = FrameRequest("s", 3, 40, b"\xff\xd8", (Region(1, 2, 3, 4),), "grpc", streamed=True)
    made = [plain, replace(plain, picture=picture)]
    sent = [encode_request(one, REPLY_ID, Origin("channel", "id", None), 250) for one in made]
    return [fields["job"][1:] + BETWEEN + fields["picture"] for fields in sent]
