"""Frames for workers and their answers as bytes: a line of JSON with a version, then what is no text."""

import json
from typing import Any, NamedTuple, get_args

import numpy as np

from model.values import Frame, Region
from service.contract.messages import FrameResult
from service.errors import BY_CODE, KineposeError
from service.pipeline.request import FrameRequest, Priority, Transport
from service.redis.sessions.codec import RecordError, decode_result, encode_result
from service.redis.sessions.store import RESULT
from service.sessions.store import Delivery

VERSION = 1
REPLY_ID_BYTES = 16
ERROR = b"E"
"""Goes before an encoded error in what is published, as RESULT before a result."""


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


def encode_request(request: FrameRequest, reply_id: bytes, origin: Origin, budget_ms: int | None) -> dict[str, bytes]:
    """The fields of a stream's entry: `job` and `picture`.

    A frame that is decoded already goes as it is: on a line of 1 GB/s that costs less than to encode it without loss.
    """
    region = request.region
    data: dict[str, Any] = {
        "version": VERSION,
        "session_id": request.session_id,
        "seq": request.seq,
        "pts_us": request.pts_us,
        "region": [region.x, region.y, region.w, region.h] if region else None,
        "transport": request.transport,
        "streamed": request.streamed,
        "priority": request.priority,
        "request": reply_id.hex(),
        "origin": origin,
        "budget_ms": budget_ms,
    }
    if isinstance(request.picture, bytes):
        return {"job": _json(data), "picture": request.picture}
    frame = request.picture
    data["frame"] = {"shape": frame.rgb.shape, "rotation": frame.rotation_applied}
    return {"job": _json(data), "picture": np.ascontiguousarray(frame.rgb).tobytes()}


def decode_request(stream: str, entry: bytes, fields: dict[bytes, bytes]) -> Sent:
    """What `encode_request` was given. Raises RecordError."""
    try:
        data = json.loads(fields[b"job"])
        if data["version"] != VERSION:
            raise RecordError(f"expected version {VERSION}, got {data['version']}")
        picture = fields[b"picture"]
        origin = Origin(*data["origin"])
        delivery = Delivery(stream, entry, origin.channel.encode(), bytes.fromhex(data["request"]))
        request = FrameRequest(
            data["session_id"],
            data["seq"],
            data["pts_us"],
            _frame(data["frame"], picture, data["pts_us"]) if "frame" in data else picture,
            Region(*data["region"]) if data["region"] else None,
            _transport(data["transport"]),
            streamed=data["streamed"],
            priority=Priority(data["priority"]),
            waits_for_capacity=True,
            delivery=delivery,
        )
        return Sent(request, origin, data["budget_ms"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"a frame in {stream}: {error!r}") from error


def _frame(data: dict[str, Any], picture: bytes, pts_us: int | None) -> Frame:
    rgb = np.frombuffer(picture, np.uint8).reshape(data["shape"])
    return Frame(rgb, pts_us=pts_us, rotation_applied=data["rotation"])


def _transport(name: str) -> Transport:
    found: Transport | None = next((known for known in get_args(Transport) if known == name), None)
    if found is None:
        raise ValueError(f"no transport {name!r}")
    return found


def encode_answer(reply_id: bytes, answer: FrameResult | KineposeError) -> bytes:
    """What a worker publishes."""
    if isinstance(answer, FrameResult):
        return reply_id + RESULT + encode_result(answer)
    names = ("code", "detail", "session_id", "seq", "expected_seq", "retry_after_ms")
    return reply_id + ERROR + _json({name: getattr(answer, name) for name in names})


def decode_answer(blob: bytes) -> tuple[bytes, FrameResult | KineposeError]:
    """Whose reply it is, and the answer. Raises RecordError."""
    reply_id, kind, body = blob[:REPLY_ID_BYTES], blob[REPLY_ID_BYTES : REPLY_ID_BYTES + 1], blob[REPLY_ID_BYTES + 1 :]
    if kind == RESULT:
        return reply_id, decode_result(body)
    try:
        data = json.loads(body)
        if not isinstance(data, dict):
            raise RecordError("an answer: expected an object")
        return reply_id, BY_CODE.get(data.pop("code"), KineposeError)(**data)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"an answer: {error!r}") from error


def _json(data: dict[str, Any]) -> bytes:
    # Numbers of numpy are written as the Python float that they equal.
    return json.dumps(data, separators=(",", ":"), default=float).encode()
