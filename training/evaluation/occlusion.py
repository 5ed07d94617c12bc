"""The occlusion curve: PCK with 0 to 9 joints hidden, of the recurrent reader and of one without memory (Figs 7-9).

A hidden joint is covered by a flat grey square in the pixels of the original frame, before the tracker sees it. The
paper states neither the size nor the look of its masks: the side here is 0.2 of the person's size, the middle is the
joint. Which joints are hidden is drawn for each frame from a seed, the clip's name and the frame's number; n + 1 joints
are the n before and one more. Two kinds:
    one frame     every 5th frame of a clip is hidden and read with what the clear frames before it left behind; only
                  these frames count
    frames 2..T   windows of T = 5 frames; the track starts on the first one, which is clear, and in each of the others
                  joints are hidden anew; these four count
The person's true box is given in every frame: the curve is about reading joints, not about following the box.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from model.pck import pck, person_size
from model.skeletons import Skeleton
from model.state import SessionState
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Array, Frame
from training.datasets.person import Clip
from training.evaluation.run import READERS, Reader, pose_of, read, with_reader
from training.report.content import Occluded

Kind = Literal["one frame", "frames 2..T"]
KINDS: tuple[Kind, ...] = ("one frame", "frames 2..T")
Curves = dict[str, dict[str, list[Occluded]]]

WINDOW = 5
"""T, the frames of a training clip in the paper; also how often a frame is hidden by the kind "one frame"."""

GREY = 128


@dataclass(frozen=True, slots=True)
class OcclusionOptions:
    """What is hidden, and how much of the clips is used.

    Attributes:
        hidden: numbers of joints to hide, the points of the curve.
        patch: side of the square, a share of the person's size (longer side of the true box).
        stride: 1 takes every hidden frame or window of each clip, 3 every third.
        seed: another one hides other joints.
        alpha: the tolerance, a share of the person's size.
    """

    hidden: tuple[int, ...] = tuple(range(10))
    patch: float = 0.2
    stride: int = 1
    seed: int = 0
    alpha: float = 0.2

    def __post_init__(self) -> None:
        if self.stride < 1 or not self.patch > 0 or min(self.hidden) < 0:
            raise ValueError(f"OcclusionOptions: expected stride >= 1, patch > 0, hidden >= 0, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Contiguous frames to hide joints in, and what the clear frames before them left behind.

    Attributes:
        start: number of the first frame.
        frames: uint8 [H, W, 3] each, still clear.
        past: the state after frame start - 1.
    """

    start: int
    frames: list[Array]
    past: SessionState


@dataclass(slots=True)
class _Point:
    """What has been read so far for one point of a curve; one entry a trial."""

    joints: list[Array] = field(default_factory=list)
    truth: list[Array] = field(default_factory=list)
    labelled: list[Array] = field(default_factory=list)
    hidden: list[Array] = field(default_factory=list)
    sizes: list[Array] = field(default_factory=list)


def occlusion_curves(
    tracker: Tracker,
    clips: Iterable[Clip],
    options: OcclusionOptions | None = None,
    progress: Callable[[str], None] = lambda clip: None,
    readers: Sequence[Reader] = READERS,
) -> Curves:
    """Kind -> reader -> curve; kinds for which no clip is long enough are left out.

    Args:
        tracker: the recurrent one; the other reader has the same weights.
        clips: as many as there is time for: a window costs 1 + 8 passes for each point of the curve.
        options: None means all points with every window.
        progress: told the name of each clip that is done.
        readers: which of the two are wanted.
    """
    chosen = options or OcclusionOptions()
    points: dict[tuple[Kind, Reader, int], _Point] = defaultdict(_Point)
    for clip in clips:
        for kind in KINDS:
            for trial in trials(tracker, clip, kind, chosen.stride):
                _run_trial(tracker, clip, kind, trial, chosen, points, readers)
        progress(clip.name)
    skeleton = tracker.engine.config.skeleton
    present = [kind for kind in KINDS if any(kind == key[0] for key in points)]
    return {
        kind: {
            reader: [_measured(n, points[kind, reader, n], chosen.alpha, skeleton) for n in chosen.hidden]
            for reader in readers
        }
        for kind in present
    }


def trials(tracker: Tracker, clip: Clip, kind: Kind, stride: int = 1) -> Iterator[Trial]:
    """The places of a clip where joints are to be hidden."""
    return _single_frames(tracker, clip, stride) if kind == "one frame" else _windows(tracker, clip, stride)


def _single_frames(tracker: Tracker, clip: Clip, stride: int) -> Iterator[Trial]:
    """Frames 4, 9, 14 ... on one clear track through the clip: a hidden frame leaves nothing behind."""
    past = None
    for t, rgb in enumerate(clip.frames):
        number = t + 1
        if past is not None and number % WINDOW == 0 and (number // WINDOW - 1) % stride == 0:
            yield Trial(t, [rgb], past)
        past = _read(tracker, clip, t, rgb, past).state


def _windows(tracker: Tracker, clip: Clip, stride: int) -> Iterator[Trial]:
    for first in range(0, len(clip) - WINDOW + 1, WINDOW * stride):
        past = _read(tracker, clip, first, clip.frames[first], None).state
        yield Trial(first + 1, [clip.frames[t] for t in range(first + 1, first + WINDOW)], past)


def hidden_joints(clip: Clip, t: int, n: int, seed: int) -> Array:
    """Which joints of frame t are hidden: bool [K], n random ones of those that are labelled, or all if fewer are."""
    rng = np.random.default_rng([seed, zlib.crc32(clip.name.encode()), t])
    order = rng.permutation(len(clip.skeleton))
    order = order[clip.labelled[t, order]]
    mask = np.zeros(len(clip.skeleton), bool)
    mask[order[:n]] = True
    return mask


def cover(rgb: Array, joints: Array, side: float) -> Array:
    """A copy of the frame with a grey square of that side, pixels, on each of the joints [n, 2].

    The square covers the pixels whose centres it contains; what lies outside the frame is cut off.
    """
    picture = rgb.copy()
    for low, high in zip(np.ceil(joints - side / 2), np.floor(joints + side / 2), strict=True):
        (x0, y0), (x1, y1) = np.maximum(low, 0).astype(int), np.maximum(high + 1, 0).astype(int)
        picture[y0:y1, x0:x1] = GREY
    return picture


def _run_trial(
    tracker: Tracker,
    clip: Clip,
    kind: Kind,
    trial: Trial,
    options: OcclusionOptions,
    points: dict[tuple[Kind, Reader, int], _Point],
    readers: Sequence[Reader],
) -> None:
    span = slice(trial.start, trial.start + len(trial.frames))
    numbers = range(len(clip))[span]
    sizes = person_size(clip.boxes[span])
    for n in options.hidden:
        hidden = np.stack([hidden_joints(clip, t, n, options.seed) for t in numbers])
        pictures = [
            cover(rgb, clip.joints[t, mask], options.patch * size)
            for t, rgb, mask, size in zip(numbers, trial.frames, hidden, sizes, strict=True)
        ]
        for reader in readers:
            point = points[kind, reader, n]
            point.joints.append(_read_all(with_reader(tracker, reader), clip, trial, pictures))
            point.truth.append(clip.joints[span])
            point.labelled.append(clip.labelled[span])
            point.hidden.append(hidden)
            point.sizes.append(sizes)


def _read_all(tracker: Tracker, clip: Clip, trial: Trial, pictures: list[Array]) -> Array:
    """Joints [n, K, 2] of the trial's frames, one after the other."""
    past, joints = trial.past, []
    for t, rgb in enumerate(pictures, start=trial.start):
        answer = _read(tracker, clip, t, rgb, past)
        past = answer.state
        joints.append(pose_of(answer).xy_px)
    return np.stack(joints)


def _read(tracker: Tracker, clip: Clip, t: int, rgb: Array, past: SessionState | None) -> Tracked:
    return read(tracker, TrackRequest(Frame(rgb), t, past, (clip.region(t),)))


def _measured(n: int, point: _Point, alpha: float, skeleton: Skeleton) -> Occluded:
    """With nothing hidden, `hidden_joints` is the PCK of all joints: where the curve of randomly drawn ones begins."""
    joints, truth, labelled, hidden, sizes = (
        np.concatenate(part) for part in (point.joints, point.truth, point.labelled, point.hidden, point.sizes)
    )
    everywhere = pck(joints, truth, sizes, skeleton, alpha, labelled).mean
    covered = pck(joints, truth, sizes, skeleton, alpha, hidden).mean if hidden.any() else everywhere
    return Occluded(n, everywhere, covered)
