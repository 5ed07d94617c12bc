"""The numbers of a report; `measure` fills them, the writers only lay them out.

Everything here is plain data (strings, numbers, lists, dicts), so that JSON keeps all of it. PCK is in percent.
"""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """What a reader needs to get the same numbers.

    Attributes:
        model, version, sha256: the weights.
        dataset, part: what was measured, e.g. "jhmdb", "test"; split says how the part was made.
        clips, frames, joints: how many; joints is the number of labelled joints that were counted.
        alpha: the tolerance as a share of the normaliser.
        normalisers: name -> what it is, in words ("person", "torso").
        visibility: which joints count.
        impl, torso_invalid: the metric's switches (`training.evaluation.metrics`).
        engine: what ran the network, with precision.
        command: the command that made the report; machine: CPU and core count; date: ISO day.
    """

    model: str
    version: str
    sha256: str
    dataset: str
    part: str
    split: str
    clips: int
    frames: int
    joints: int
    alpha: float
    normalisers: dict[str, str]
    visibility: str
    impl: str
    torso_invalid: str
    engine: str
    command: str
    machine: str
    date: str


@dataclass(frozen=True, slots=True)
class Table:
    """PCK in one box mode: mean over all labelled joints and by joint, for each normaliser.

    Attributes:
        deviation: of the mean over noise seeds; empty for a single run.
        jitter: percent of the person's size a frame squared (`training.evaluation.jitter`); None for pictures.
    """

    mean: dict[str, float]
    per_joint: dict[str, dict[str, float]]
    deviation: dict[str, float] = field(default_factory=dict)
    jitter: float | None = None


@dataclass(frozen=True, slots=True)
class Occluded:
    """PCK where n joints are hidden, by person size: over all joints, and over the hidden ones only."""

    hidden: int
    all_joints: float
    hidden_joints: float


@dataclass(frozen=True, slots=True)
class WorstClip:
    """A clip that came out badly, and some of its frames to look at.

    Attributes:
        name, action, mode: which clip, in which box mode; pck: normaliser -> percent.
        frames: frame numbers; size: width and height of the picture in pixels.
        truth, predicted: joints of these frames [n][K][2], pixels.
    """

    name: str
    action: str
    mode: str
    pck: dict[str, float]
    frames: list[int]
    size: tuple[int, int]
    truth: list[list[list[float]]]
    predicted: list[list[list[float]]]


@dataclass(frozen=True, slots=True)
class Presence:
    """Error rates of the person score: percent of people below a threshold, of crops of nobody at or above it.

    Attributes:
        people, empty: how many crops of each kind; served: the threshold that the tracker uses.
        calibration: expected calibration error, points.
    """

    people: int
    empty: int
    thresholds: list[float]
    missed: list[float]
    false: list[float]
    calibration: float
    served: float


@dataclass(frozen=True, slots=True)
class Content:
    """A whole report.

    Attributes:
        head: the conditions of the measurement; joints: names of the K joints, bones: pairs of their indices.
        modes: box mode ("box", "region", "none") -> PCK with the recurrence, as served.
        frame_by_frame: the same modes with every frame read as a first frame (nothing recurrent), same weights.
        curves: box mode -> normaliser -> PCK at each of `alphas`.
        actions: action -> box mode -> normaliser -> PCK.
        occlusion: kind ("one frame", "frames 2..T") -> reader ("recurrent", "frame by frame") -> curve over 0..9
            hidden joints.
        blur: reader -> PCK by person size at each of `blur_lengths`, shares of the person's size; empty if left out.
        presence: error rates of the person score (`training.evaluation.presence`); None if left out.
        relation: mean temporal-correlation map W_r [K][K], rows current joints, columns previous joints.
        worst: the clips with the lowest PCK by person size, worst first.
        stills: name of a set of still pictures -> PCK (every picture as a first frame in its true box).
        notes: what a reader should know besides, one sentence each.
    """

    head: Head
    joints: list[str]
    bones: list[tuple[int, int]]
    modes: dict[str, Table]
    frame_by_frame: dict[str, Table]
    alphas: list[float]
    curves: dict[str, dict[str, list[float]]]
    actions: dict[str, dict[str, dict[str, float]]]
    occlusion: dict[str, dict[str, list[Occluded]]]
    relation: list[list[float]]
    worst: list[WorstClip]
    stills: dict[str, Table]
    notes: list[str]
    blur_lengths: list[float] = field(default_factory=list)
    blur: dict[str, list[float]] = field(default_factory=dict)
    presence: Presence | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)
