"""What HTTP and WebSocket say of a frame, parsed at the edge; bodies refused that are too large."""

from dataclasses import dataclass
from typing import Any

from service.contract import wire
from service.contract.messages import EncodedFrame
from service.errors import TooLarge

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


def too_large(limit: int) -> TooLarge:
    """The error for a body of more than `limit` bytes."""
    return TooLarge(f"the body is above the limit of {limit} bytes")
