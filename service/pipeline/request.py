"""One frame inside the pipeline."""

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from model.values import Frame, Region
from service import errors
from service.auth.api_keys import ANYONE, Caller
from service.errors import FrameDropped, KineposeError
from service.sessions.store import Delivery

Transport = Literal["http", "websocket", "grpc", "clip"]


class Priority(StrEnum):
    """Somebody waits for the next live frame; a clip only has to come to its end."""

    LIVE = "live"
    CLIP = "clip"


FRAME_FAULTS = (
    errors.BadImage,
    errors.ImageTooLarge,
    errors.FrameSizeChanged,
    errors.BadRegion,
    errors.PoisonFrame,
)
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


class ClipFile(NamedTuple):
    """The file that a session's frames are decoded from: frame number `seq` of it is the session's.

    Attributes:
        path: on this process's disk.
        size: bytes.
    """

    path: Path
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class FrameRequest:
    """A frame to be answered.

    Attributes:
        picture: encoded bytes, or a frame that is decoded already.
        clip: where that was decoded from a clip's file, the file: on its way elsewhere it is smaller than its pixels.
        deadline: event-loop time after which nobody waits, or None.
        streamed: it came on a stream, and others follow.
        priority: whether it goes before others or after them.
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
    regions: tuple[Region, ...]
    transport: Transport
    deadline: float | None = None
    streamed: bool = False
    priority: Priority = Priority.LIVE
    waits_for_capacity: bool = False
    early_error: KineposeError | None = None
    clip: ClipFile | None = None
    caller: Caller = ANYONE
    delivery: Delivery | None = None
    received_at: float = field(default_factory=time.perf_counter)

    def dropped(self) -> "FrameRequest":
        """The same frame, left out by the drop policy; its picture is let go."""
        error = FrameDropped("left out by the stream's drop policy", self.session_id, self.seq)
        return replace(self, early_error=error, picture=b"")

    def refused(self, error: KineposeError) -> "FrameRequest":
        """Raise the error; on a stream, the same frame, which is admitted with it as its early error."""
        error = with_location(error, self)
        if not self.streamed:
            raise error
        return self if self.early_error is not None else replace(self, early_error=error, picture=b"")

    def consumes_seq(self, error: KineposeError) -> bool:
        """True where this error uses up the frame's seq; a bug met on the way (the base class) does, too."""
        if self.delivery is not None and isinstance(error, errors.DeviceLost):
            return False  # Another worker will compute it.
        return type(error) is KineposeError or isinstance(error, STREAM_FAULTS if self.streamed else FRAME_FAULTS)


def with_location(error: KineposeError, request: FrameRequest) -> KineposeError:
    """The error, with where it happened."""
    error.session_id = error.session_id or request.session_id
    error.seq = request.seq if error.seq is None else error.seq
    return error
