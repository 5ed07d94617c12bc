"""What goes through Redis as bytes: session metadata, answers, and frames on their way to a worker.

record    version u8, then MessagePack of a value, its fields by name; float32 arrays bit for bit
answer    16 bytes by which a frontend knows its frame, `RESULT` or `ERROR`, then a record

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

VERSION = 3
"""Goes up with every change of a field's name, type or meaning; version 1 was JSON, answers of 2 had one pose."""
REPLY_ID_BYTES = 16
RESULT = b"R"
ERROR = b"E"

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


class Sent(NamedTuple):
    """A frame as it came out of a stream.

    Attributes:
        request: without a deadline: that is for the reader to reckon.
        budget_ms: milliseconds, from when the entry was made, after which nobody waits; None for ever.
    """

    request: FrameRequest
    origin: Origin
    budget_ms: int | None


_Side: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class _Pixels(msgspec.Struct, frozen=True):
    """A frame that is decoded already, beside its pixels."""

    shape: tuple[_Side, _Side, _Side]
    rotation: int


class _Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


def encode_request(request: FrameRequest, reply_id: bytes, origin: Origin, budget_ms: int | None) -> dict[str, bytes]:
    """The fields of a stream's entry: `job` and `picture`.

    A frame that is decoded already goes as it is: on a line of 1 GB/s that costs less than to encode it without loss.
    """
    picture, pixels = request.picture, None
    if isinstance(picture, Frame):
        height, width, channels = picture.rgb.shape
        pixels = _Pixels((height, width, channels), picture.rotation_applied)
        picture = picture.rgb.tobytes()
    shared: dict[str, Any] = {name: getattr(request, name) for name in _OF_REQUEST}
    job = _Job(**shared, request=reply_id, origin=origin, budget_ms=budget_ms, frame=pixels)
    return {"job": encode_record(job), "picture": picture}


def decode_request(stream: str, entry: bytes, fields: dict[bytes, bytes]) -> Sent:
    """What `encode_request` was given. Raises RecordError."""
    try:
        job = _value(fields[b"job"], _Job)
        picture: bytes | Frame = fields[b"picture"]
        if job.frame is not None:
            rgb = np.frombuffer(fields[b"picture"], np.uint8).reshape(job.frame.shape)
            picture = Frame(rgb, pts_us=job.pts_us, rotation_applied=job.frame.rotation)
        request = FrameRequest(
            **{name: getattr(job, name) for name in _OF_REQUEST},
            picture=picture,
            waits_for_capacity=True,
            delivery=Delivery(stream, GROUP, entry, job.origin.channel.encode(), job.request, job.request + RESULT),
        )
    except (ValueError, KeyError) as error:
        raise RecordError(f"a frame in {stream}: {error!r}") from error
    return Sent(request, job.origin, job.budget_ms)


def encode_answer(reply_id: bytes, answer: FrameResult | KineposeError) -> bytes:
    """What a worker publishes."""
    if isinstance(answer, FrameResult):
        return reply_id + RESULT + encode_record(answer)
    return reply_id + ERROR + encode_record(_Error(*(getattr(answer, name) for name in _Error.__struct_fields__)))


def decode_answer(blob: bytes) -> tuple[bytes, FrameResult | KineposeError]:
    """Whose reply it is, and the answer. Raises RecordError."""
    reply_id, kind, body = blob[:REPLY_ID_BYTES], blob[REPLY_ID_BYTES : REPLY_ID_BYTES + 1], blob[REPLY_ID_BYTES + 1 :]
    if kind == RESULT:
        return reply_id, decode_result(body)
    if kind != ERROR:
        raise RecordError(f"an answer: expected {RESULT!r} or {ERROR!r}, got {kind!r}")
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
