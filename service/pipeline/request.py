"""One frame inside the pipeline, and how it ends: a result that is stored, or an error raised."""

import logging
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from model.skeletons import Skeleton
from model.tracker import Tracked
from model.values import Frame, Region
from service import errors
from service.auth.api_keys import ANYONE, Caller
from service.contract.messages import EncodedFrame, FrameResult, ModelInfo, Outcome
from service.errors import DeadlinePassed, FrameDropped, KineposeError
from service.sessions.store import Delivery

log = logging.getLogger(__name__)

Transport = Literal["http", "websocket", "grpc", "clip"]

FRAME_FAULTS = (errors.BadImage, errors.ImageTooLarge, errors.FrameSizeChanged, errors.BadRegion)
"""The frame itself is at fault: its seq is spent, sending it again would end the same way."""

STREAM_FAULTS = (
    *FRAME_FAULTS,
    errors.BadRequest,
    errors.TooLarge,
    errors.PtsNotIncreasing,
    errors.DeadlinePassed,
    errors.FrameDropped,
    errors.RateLimited,
    errors.WorkerFailed,
)
"""On a stream the next frames are under way already, so all but an error of the order uses up the seq."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameRequest:
    """A frame to be answered.

    Attributes:
        picture: encoded bytes, or a frame that is decoded already.
        deadline: event-loop time after which nobody waits, or None.
        streamed: it came on a stream, and others follow.
        waits_for_capacity: it waits where the server is full, instead of being refused.
        early_error: the error that it ends with, where that is known before it is computed.
        caller: who sent it.
        delivery: the stream that it came through, where it was sent on by another process.
        received_at: `time.perf_counter()` of its arrival.
    """

    session_id: str
    seq: int
    pts_us: int | None
    picture: bytes | Frame
    region: Region | None
    transport: Transport
    deadline: float | None = None
    streamed: bool = False
    waits_for_capacity: bool = False
    early_error: KineposeError | None = None
    caller: Caller = ANYONE
    delivery: Delivery | None = None
    received_at: float = field(default_factory=time.perf_counter)

    def dropped(self) -> "FrameRequest":
        """The same frame, left out by the drop policy; its picture is let go."""
        error = FrameDropped("left out by the stream's drop policy", self.session_id, self.seq)
        return replace(self, early_error=error, picture=b"")

    def consumes_seq(self, error: KineposeError) -> bool:
        """True where this error uses up the frame's seq; a bug met on the way (the base class) does, too."""
        if self.delivery is not None and isinstance(error, errors.DeviceLost):
            return False  # Another worker will compute it.
        return type(error) is KineposeError or isinstance(error, STREAM_FAULTS if self.streamed else FRAME_FAULTS)


def request_of(
    frame: EncodedFrame, transport: Transport, caller: Caller = ANYONE, *, streamed: bool = False
) -> FrameRequest:
    """A request of a frame as it came in."""
    return FrameRequest(
        frame.session_id,
        frame.seq,
        frame.pts_us,
        frame.image,
        frame.region,
        transport,
        deadline=frame.deadline,
        streamed=streamed,
        waits_for_capacity=streamed,
        early_error=frame.fault,
        caller=caller,
    )


def computed(
    request: FrameRequest, frame: Frame, tracked: Tracked, model: ModelInfo, skeleton: Skeleton
) -> FrameResult:
    """The answer for a frame that was computed."""
    return FrameResult(
        session_id=request.session_id,
        seq=request.seq,
        pts_us=request.pts_us,
        outcome=Outcome.OK,
        model=model,
        skeleton=skeleton.name,
        joint_names=skeleton.joints,
        image_size=frame.size,
        region=tracked.region,
        region_source=tracked.source,
        rotation_applied=frame.rotation_applied,
        pose=tracked.pose,
    )


def failed(request: FrameRequest, error: KineposeError, model: ModelInfo, skeleton: Skeleton) -> FrameResult:
    """The answer for a frame that ended in an error."""
    return FrameResult(
        session_id=request.session_id,
        seq=request.seq,
        pts_us=request.pts_us,
        outcome=outcome_of(error),
        model=model,
        skeleton=skeleton.name,
        joint_names=skeleton.joints,
        error_code=error.code,
        error_detail=error.detail,
        expected_seq=error.expected_seq,
    )


def outcome_of(error: KineposeError) -> Outcome:
    """How a frame that ended in this error is counted."""
    match error:
        case FrameDropped():
            return Outcome.DROPPED
        case DeadlinePassed():
            return Outcome.EXPIRED
        case _:
            return Outcome.ERROR


def ok_or_raise(result: FrameResult) -> FrameResult:
    """The result, or the error that it tells of, for callers who get errors by exception."""
    if result.outcome is Outcome.OK:
        return result
    kind = errors.BY_CODE.get(result.error_code or "", KineposeError)
    raise kind(result.error_detail or "", result.session_id, result.seq)


def to_client_error(raised: Exception, request: FrameRequest) -> KineposeError:
    """An exception as a client sees it; a bug is logged and becomes `internal`, for this frame only."""
    match raised:
        case KineposeError():
            return raised
        case TimeoutError():
            return DeadlinePassed("the deadline passed before the frame was computed")
        case _:
            log.error("session %s frame %d: a bug", request.session_id, request.seq, exc_info=raised)
            return KineposeError("an internal error, logged by the server")


def with_location(error: KineposeError, request: FrameRequest) -> KineposeError:
    """The error, with where it happened."""
    error.session_id = error.session_id or request.session_id
    error.seq = request.seq if error.seq is None else error.seq
    return error
