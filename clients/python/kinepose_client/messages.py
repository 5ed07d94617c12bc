"""What is asked and answered, independent of HTTP and gRPC."""

from dataclasses import dataclass, field
from enum import StrEnum

from kinepose_client.values import LostTrack, Person


class DropPolicy(StrEnum):
    """What happens to a stream's frames when they come faster than they are computed."""

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"
    DROP_LATEST = "drop_latest"


class Smoothing(StrEnum):
    """What makes a session's joints smooth, beside the raw ones."""

    ONE_EURO = "one_euro"
    """Of this frame and those before it, so that nothing waits (Casiez et al., 2012)."""


class Outcome(StrEnum):
    """Every accepted frame ends in exactly one of these."""

    OK = "ok"
    DROPPED = "dropped"
    EXPIRED = "expired"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a client asks of a session.

    Attributes:
        model, ttl_s: None means the server's default.
        max_people: how many people are followed, 1 and more; a server has a limit of its own.
        smoothing: tells smooth joints, too, as `FrameResult.kinematics`; None: no.
    """

    model: str | None = None
    drop_policy: DropPolicy = DropPolicy.WAIT
    ttl_s: float | None = None
    max_people: int = 1
    smoothing: Smoothing | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which weights made a result. sha256 is that of the safetensors file, hexadecimal."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TrackKinematics:
    """What was made of one person's joints.

    Attributes:
        values: by name, as docs/kinematics.md has them: `head_x_filtered` and `head_y_filtered` in pixels of the
            original picture. A value that is not known is left out.
    """

    track_id: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """The answer for one frame, in original-image pixels.

    Attributes:
        people: who is there, by track_id; none where nobody is, or the outcome is not ok.
        lost: who is not seen and may come back under the same track_id, by track_id.
        image_size: width, height of the upright picture.
        rotation_applied: degrees clockwise by which the stored picture was turned.
        skeleton, joint_names: order of each person's joints. A reply names joints in its people alone: read back from
            one with nobody in it, `joint_names` is empty.
        kinematics: of those in `people`, where the session's options ask for it.
        error_code, error_detail: set when outcome is not ok.
        expected_seq: the seq that would have been right, where the seq was wrong.
    """

    session_id: str
    seq: int
    pts_us: int | None
    outcome: Outcome
    model: ModelInfo
    skeleton: str
    joint_names: tuple[str, ...]
    image_size: tuple[int, int] | None = None
    rotation_applied: int = 0
    people: tuple[Person, ...] = ()
    lost: tuple[LostTrack, ...] = ()
    kinematics: tuple[TrackKinematics, ...] = ()
    error_code: str | None = None
    error_detail: str | None = None
    expected_seq: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ImageResult:
    """The answer for a picture that belongs to no video, in its own pixels.

    Attributes:
        people: who is there, by track_id; none where nobody is.
        lost: given regions in which nobody is seen, by track_id.
        image_size, rotation_applied, skeleton, joint_names, model: as in `FrameResult`.
    """

    model: ModelInfo
    skeleton: str
    joint_names: tuple[str, ...]
    image_size: tuple[int, int]
    rotation_applied: int
    people: tuple[Person, ...]
    lost: tuple[LostTrack, ...]


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as clients see it. next_seq is the seq that is expected next."""

    session_id: str
    next_seq: int
    expires_in_s: float
    model: ModelInfo
    options: SessionOptions = field(default_factory=SessionOptions)


class GapReason(StrEnum):
    """Why a clip does not simply go on from one frame to the next."""

    DAMAGED = "damaged"
    """Pictures in between are damaged or lost; it goes on at the next key frame."""
    CUT_OFF = "cut_off"
    """The file ends before its pictures do."""
    SIZE_CHANGED = "size_changed"
    """No picture is missing: from here on they have another size, and are fitted into the first one's."""


@dataclass(frozen=True, slots=True)
class ClipGap:
    """A place where a clip is not whole.

    Attributes:
        after_seq: the last frame before it; None where there is none.
        pts_us: when the next frame was due.
        reason: what happened.
    """

    after_seq: int | None
    pts_us: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """A clip as clients see it.

    Attributes:
        frames_declared: what the container says; None where it says nothing. Often wrong.
        frames_decoded: pictures that came out of the decoder.
        frames_emitted: results sent.
        duration_us: from the first picture to the end of the last one that was read, while it is read at least what
            the container says; None where unknown.
        codec: FFmpeg's codec name.
        start_us: time of the first frame on the file's own clock; frames count from 0 there. None before it.
        pixel_aspect: width over height of a pixel of `image_size`; the person is read in square ones.
        gaps: where the clip is not whole, in the order of time; none where it is.
    """

    frames_declared: int | None
    frames_decoded: int
    frames_emitted: int
    duration_us: int | None
    codec: str
    start_us: int | None = None
    pixel_aspect: float = 1.0
    gaps: tuple[ClipGap, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipJob:
    """A clip that the server works on in the background.

    Attributes:
        id: what calls for it take.
        status: "queued", "running", "done" or "failed".
        progress: share of its frames that are done, 0 to 1; None where its container tells no number.
        clip: what is known of it by now.
        error_code, error_detail: why it failed.
    """

    id: str
    status: str
    progress: float | None
    clip: ClipInfo | None
    error_code: str | None = None
    error_detail: str | None = None

    @property
    def finished(self) -> bool:
        """True once nothing more comes."""
        return self.status in ("done", "failed")
