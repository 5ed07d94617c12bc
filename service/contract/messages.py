"""What travels between transports and pipeline, independent of HTTP and gRPC."""

from dataclasses import dataclass

from kinepose_client.errors import KineposeError
from kinepose_client.messages import (
    ClipGap,
    ClipInfo,
    DropPolicy,
    FrameResult,
    GapReason,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
    Smoothing,
    TrackKinematics,
)
from kinepose_client.values import Region

__all__ = [
    "ClipGap",
    "ClipInfo",
    "DropPolicy",
    "EncodedFrame",
    "FrameResult",
    "GapReason",
    "ModelInfo",
    "Outcome",
    "SessionInfo",
    "SessionOptions",
    "Smoothing",
    "TrackKinematics",
]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """A frame as it came in.

    Attributes:
        session_id: the session it belongs to.
        seq: its number, from 0; (session_id, seq) is the idempotency key.
        image: JPEG, PNG, WebP or BMP bytes.
        pts_us: presentation time, microseconds, or None.
        regions: boxes of people in original pixels, in the order of their numbers; whoever has none is tracked, or
            looked for.
        deadline: event-loop time (`asyncio.get_running_loop().time()`) after which nobody waits, or None.
        fault: why it cannot be read, where a stream's message does not parse; the frame ends with this error.
    """

    session_id: str
    seq: int
    image: bytes
    pts_us: int | None = None
    regions: tuple[Region, ...] = ()
    deadline: float | None = None
    fault: KineposeError | None = None
