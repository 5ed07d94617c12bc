"""What a server and its processes for clips say to each other, as msgpack, one message a packet of a local socket.

A clip may have taken a process over: what it answers has the ranges that are declared here, or is refused.
"""

import socket
from fractions import Fraction
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from service.contract.messages import ClipGap, GapReason
from service.media.orientation import Orientation
from service.media.shape import Shape

SLOTS = 6
"""Frames that the shared memory has room for."""
PICTURE_CPU_S = 30
"""Seconds of CPU time that opening a clip, or one of its pictures, may take; beyond, the kernel ends the process."""
MOST_BYTES = 128 * 1024
"""Of a message; the longest tells of all gaps of a clip."""

Seq: TypeAlias = Annotated[int, Meta(ge=0)]
Pair: TypeAlias = tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]
QuarterTurn: TypeAlias = Annotated[int, Meta(ge=0, le=270, multiple_of=90)]
Gaps: TypeAlias = list[tuple[Seq | None, int, GapReason]]


class Open(msgspec.Struct, frozen=True, tag=True):
    """Read this clip from now on; answered by Facts or Failed. The rest as `media.limits.ClipLimits`."""

    path: str
    seconds: float
    frames: int
    pixels: int
    strict: bool


class Next(msgspec.Struct, frozen=True, tag=True):
    """The next frame, into this slot of the shared memory; answered by Picture, End or Failed."""

    slot: int


class Draw(msgspec.Struct, frozen=True, tag=True):
    """Draw the people of `results` (a file of NDJSON) on this clip, into a file; answered by Drawn or Failed."""

    path: str
    results: str
    drawing: str
    seconds: float
    frames: int
    pixels: int


class Facts(msgspec.Struct, frozen=True, tag=True):
    """What is known of a clip before its first frame: as the attributes of `media.video.Video`."""

    codec: str
    frames_declared: int | None
    duration_us: int | None
    rate: Pair | None
    stored: Pair
    aspect: Pair
    turn: QuarterTurn
    mirrored: bool

    def shape(self) -> Shape:
        """Sizes of the pictures."""
        return Shape(self.stored, Fraction(*self.aspect), Orientation(self.turn, self.mirrored))


class Picture(msgspec.Struct, frozen=True, tag=True):
    """A frame, whose pixels lie in the slot of the shared memory.

    Attributes:
        gaps: all of the clip by now; None: as before.
    """

    pts_us: int
    duration_us: int | None
    start_us: int | None
    gaps: Gaps | None


class End(msgspec.Struct, frozen=True, tag=True):
    """There are no more frames."""

    duration_us: int | None
    start_us: int | None
    gaps: Gaps | None


class Drawn(msgspec.Struct, frozen=True, tag=True):
    """The drawing is whole."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The clip ends with an error of this code of `service.errors`."""

    code: str
    detail: str


Request: TypeAlias = Open | Next | Draw
Answer: TypeAlias = Facts | Picture | End | Drawn | Failed

REQUESTS = msgspec.msgpack.Decoder(Request)
_ANSWERS = msgspec.msgpack.Decoder(Answer)
_ENCODER = msgspec.msgpack.Encoder()
_EXPECTED = {Open: Facts | Failed, Next: Picture | End | Failed, Draw: Drawn | Failed}


def send(channel: socket.socket, message: Request | Answer) -> None:
    """One message. OSError where the other side is gone."""
    channel.sendall(_ENCODER.encode(message))


def answer_of(packet: bytes, request: Request) -> Answer:
    """What a process answered to a request. ValueError where it is no answer to that, or none at all."""
    answer = _ANSWERS.decode(packet)
    if not isinstance(answer, _EXPECTED[type(request)]):
        raise ValueError(f"{type(answer).__name__} is no answer to {type(request).__name__}")
    return answer


def gaps_to_message(gaps: tuple[ClipGap, ...]) -> Gaps:
    """As they travel."""
    return [(gap.after_seq, gap.pts_us, gap.reason) for gap in gaps]


def gaps_of_message(gaps: Gaps) -> tuple[ClipGap, ...]:
    """What `gaps_to_message` made, read back."""
    return tuple(ClipGap(*gap) for gap in gaps)
