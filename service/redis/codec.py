"""What goes through Redis as bytes: session metadata, answers, and frames on their way to a worker.

record    version u8, then MessagePack of a value, its fields by name; float32 arrays bit for bit
answer    16 bytes by which a frontend knows its frame, `RESULT`, `ERROR` or `WANTED`, then a record

Not the wire form of `service.contract.wire`, which is shaped for clients and leaves out what they do not see. A state
has a codec of its own, `model.state_codec`.
"""

from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np

from model.values import Array, Frame, Region
from service.contract.messages import FrameResult
from service.errors import BY_CODE, KineposeError
from service.pipeline.request import FrameRequest, Priority, Transport
from service.redis.keys import GROUP
from service.sessions.store import Delivery, SessionMeta

VERSION = 4
"""Goes up with every change of a field's name, type or meaning. Version 1 was JSON, answers of 2 had one pose, those of
3 no kinematics."""
REPLY_ID_BYTES = 16
RESULT = b"R"
ERROR = b"E"
WANTED = b"W"

T = TypeVar("T")


class RecordError(ValueError):
    """Bytes that this version of Kinepose does not read."""


class Origin(NamedTuple):
    """Where a frame comes from.

    Attributes:
        channel: where its frontend hears answers.
        request_id: of the client's call, for logs; may be empty.
        traceparent: of the trace that it belongs to (W3C), or None.
    """

    channel: str
    request_id: str
    traceparent: str | None


_Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class ClipPart(NamedTuple):
    """A piece of a clip's file, which goes in the place of a frame's picture.

    Attributes:
        size: of the whole file, bytes.
        offset: where the piece begins in it.
        data: the piece; empty where its worker should have the whole file already.
    """

    size: int
    offset: int
    data: bytes


class Wanted(NamedTuple):
    """What a worker needs before it can compute a clip's frame.

    Attributes:
        offset: the clip's file from here on, bytes; None: the frame's pixels.
    """

    offset: _Bytes | None


class Sent(NamedTuple):
    """A frame as it came out of a stream.

    Attributes:
        request: without a deadline: that is for the reader to reckon.
        budget_ms: milliseconds, from when the entry was made, after which nobody waits; None for ever.
        part: what came in the place of its picture.
    """

    request: FrameRequest
    origin: Origin
    budget_ms: int | None
    part: ClipPart | None = None


_Side: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class _Pixels(msgspec.Struct, frozen=True):
    """A frame that is decoded already, beside its pixels."""

    shape: tuple[_Side, _Side, _Side]
    rotation: int


class _Place(msgspec.Struct, frozen=True):
    """Of a ClipPart."""

    size: _Bytes
    offset: _Bytes


class _Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frame without its picture; what stands before `request` is as in FrameRequest."""

    session_id: str
    seq: int
    pts_us: int | None
    regions: tuple[Region, ...]
    transport: Transport
    streamed: bool
    priority: Priority
    request: bytes
    origin: Origin
    budget_ms: int | None
    frame: _Pixels | None
    part: _Place | None = None


_OF_REQUEST = _Job.__struct_fields__[:7]


class _Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A KineposeError and its `code`."""

    code: str
    detail: str
    session_id: str | None
    seq: int | None
    expected_seq: int | None
    retry_after_ms: int | None


@lru_cache(maxsize=1024)
def decode_meta(blob: bytes) -> SessionMeta:
    """A session's metadata. Raises RecordError. Every frame reads it, and it never changes: remembered."""
    return _value(blob, SessionMeta)


def decode_result(blob: bytes) -> FrameResult:
    """A stored answer. Raises RecordError."""
    return _value(blob, FrameResult)


def encode_request(
    request: FrameRequest, reply_id: bytes, origin: Origin, budget_ms: int | None, part: ClipPart | None = None
) -> dict[str, bytes]:
    """The fields of a stream's entry: `job` and `picture`.

    In the place of the picture, the part of a clip's file goes where there is one. Else a frame that is decoded goes as
    it is: to encode it without loss takes more of the processor than to send it.
    """
    picture, pixels, place = request.picture, None, None
    if part is not None:
        picture, place = part.data, _Place(part.size, part.offset)
    elif isinstance(picture, Frame):
        height, width, channels = picture.rgb.shape
        pixels = _Pixels((height, width, channels), picture.rotation_applied)
        picture = picture.rgb.tobytes()
    shared: dict[str, Any] = {name: getattr(request, name) for name in _OF_REQUEST}
    job = _Job(**shared, request=reply_id, origin=origin, budget_ms=budget_ms, frame=pixels, part=place)
    return {"job": encode_record(job), "picture": picture}


def decode_request(stream: str, entry: bytes, fields: dict[bytes, bytes]) -> Sent:
    """What `encode_request` was given. Raises RecordError."""
    try:
        job = _value(fields[b"job"], _Job)
        data = fields[b"picture"]
        part = None if job.part is None else _part(job.part, data)
        request = FrameRequest(
            **{name: getattr(job, name) for name in _OF_REQUEST},
            picture=_picture(job, data) if part is None else b"",
            waits_for_capacity=True,
            delivery=Delivery(stream, GROUP, entry, job.origin.channel.encode(), job.request, job.request + RESULT),
        )
    except (ValueError, KeyError) as error:
        raise RecordError(f"a frame in {stream}: {error!r}") from error
    return Sent(request, job.origin, job.budget_ms, part)


def _picture(job: _Job, data: bytes) -> bytes | Frame:
    if job.frame is None:
        return data
    rgb = np.frombuffer(data, np.uint8).reshape(job.frame.shape)
    return Frame(rgb, pts_us=job.pts_us, rotation_applied=job.frame.rotation)


def _part(place: _Place, data: bytes) -> ClipPart:
    if place.offset + len(data) > place.size:
        raise ValueError(f"a part of {len(data)} bytes from {place.offset} on of a file of {place.size}")
    return ClipPart(place.size, place.offset, data)


def encode_answer(reply_id: bytes, answer: FrameResult | KineposeError | Wanted) -> bytes:
    """What a worker publishes."""
    if isinstance(answer, FrameResult):
        return reply_id + RESULT + encode_record(answer)
    if isinstance(answer, Wanted):
        return reply_id + WANTED + encode_record(answer)
    return reply_id + ERROR + encode_record(_Error(*(getattr(answer, name) for name in _Error.__struct_fields__)))


def decode_answer(blob: bytes) -> tuple[bytes, FrameResult | KineposeError | Wanted]:
    """Whose reply it is, and the answer. Raises RecordError."""
    reply_id, kind, body = blob[:REPLY_ID_BYTES], blob[REPLY_ID_BYTES : REPLY_ID_BYTES + 1], blob[REPLY_ID_BYTES + 1 :]
    if kind == RESULT:
        return reply_id, decode_result(body)
    if kind == WANTED:
        return reply_id, _value(body, Wanted)
    if kind != ERROR:
        raise RecordError(f"an answer: expected {RESULT!r}, {ERROR!r} or {WANTED!r}, got {kind!r}")
    fields = msgspec.structs.asdict(_value(body, _Error))
    return reply_id, BY_CODE.get(fields.pop("code"), KineposeError)(**fields)


def encode_record(value: object) -> bytes:
    """A session's metadata, or an answer: about 0.5 KB and, with 13 joints, as much a person."""
    return bytes((VERSION,)) + msgspec.msgpack.encode(value, enc_hook=_plain)


def _value(blob: bytes, kind: type[T]) -> T:
    if blob[:1] != bytes((VERSION,)):
        raise RecordError(f"expected a record of version {VERSION}, got one that begins with {blob[:1]!r}")
    try:
        return msgspec.msgpack.decode(blob[1:], type=kind, dec_hook=_array)
    except (ValueError, TypeError) as error:
        raise RecordError(f"{kind.__name__}: {error}") from error


def _plain(value: Any) -> object:
    """An array as its shape and its bytes; a number of numpy as the Python number that it equals."""
    if isinstance(value, np.ndarray):
        return value.shape, value.astype("<f4").tobytes()
    return value.item()


def _array(kind: object, plain: Any) -> Array:
    shape, numbers = plain
    return np.frombuffer(numbers, "<f4").reshape(shape).astype(np.float32)
