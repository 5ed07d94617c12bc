"""What transports hand in: frames parsed at the edge and numbered, bodies refused that are too large."""

import asyncio
from dataclasses import dataclass
from typing import Any

from service.contract import wire
from service.contract.messages import EncodedFrame
from service.errors import BadRequest, TooLarge
from service.pb import pose_pb2 as pb

MAX_DEADLINE_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class FrameParams:
    """What a client says of a frame beside the picture, as text or as JSON values; None: nothing said."""

    seq: Any = None
    pts_us: Any = None
    region: Any = None
    deadline_ms: Any = None


def frame_of(session_id: str, seq: int, image: bytes, params: FrameParams, arrived: float) -> EncodedFrame:
    """A frame with what was said of it; `arrived` is event-loop time. Raises BadRequest, BadRegion."""
    deadline_ms = wire.integer("deadline_ms", params.deadline_ms, low=0, high=MAX_DEADLINE_MS)
    as_text = params.region is None or isinstance(params.region, str)
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=image,
        pts_us=wire.integer("pts_us", params.pts_us),
        region=wire.region_from_text(params.region) if as_text else wire.region_from_values(params.region),
        deadline=None if deadline_ms is None else arrived + deadline_ms / 1000,
    )


def frame_from_pb(message: pb.Frame, session_id: str, seq: int, deadline: float | None) -> EncodedFrame:
    """A frame that arrives now; `deadline` is the call's, event-loop time. Raises BadRequest, BadRegion."""
    deadlines = [] if deadline is None else [deadline]
    if message.HasField("deadline_ms"):
        deadlines.append(asyncio.get_running_loop().time() + message.deadline_ms / 1000)
    if message.session_id not in ("", session_id):
        raise BadRequest(f"this stream is of session {session_id}, the frame of another one")
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=message.image,
        pts_us=message.pts_us if message.HasField("pts_us") else None,
        region=wire.region_from_pb(message.region) if message.HasField("region") else None,
        deadline=min(deadlines, default=None),
    )


class Numbering:
    """Numbers the frames of a stream that carry no number of their own: one more than the frame before."""

    def __init__(self, first: int) -> None:
        self._next = first

    def seq(self, given: int | None) -> int:
        """The number of a frame that may carry one."""
        return self._next if given is None else given

    def taken(self, seq: int) -> None:
        """A frame of this number went in."""
        self._next = seq + 1


def too_large(limit: int) -> TooLarge:
    """The error for a body of more than `limit` bytes."""
    return TooLarge(f"the body is above the limit of {limit} bytes")
