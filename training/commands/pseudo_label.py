"""`kinepose-train pseudo-label`: a teacher's pseudo-labels for LSPET train, and how its joints move to JHMDB's.

MoveNet Thunder reads every picture of LSPET train and its mirror image; where both agree it is believed. It also reads
a few frames of every JHMDB train clip, on which `training.teacher.style` is fitted: so the file says too how MoveNet's
joints move to where JHMDB has them. No other part of either set is looked at.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.values import Array
from training.datasets import jhmdb, lspet
from training.datasets.coco import JOINTS_17
from training.datasets.errors import DatasetError
from training.datasets.files import read_image, read_mat
from training.datasets.leeds import MIN_LABELLED
from training.datasets.person import SKELETON, Clip
from training.teacher import style
from training.teacher.movenet import GraphError, MoveNet
from training.teacher.square import Square, crop

Teacher = Callable[[Array], Array]
"""uint8 [256, 256, 3] to [17, 3]: x and y as shares of the side, score 0..1."""

FRAMES_A_CLIP = 3
"""Frames of a clip look alike: a few, evenly spread, say as much of style as all."""

_STILL_GROWTH, _CLIP_GROWTH = 1.5, 1.25
"""Sides of the square that the teacher sees. LSPET's person is the extent of the joints, hands and feet stick out."""

_DISAGREE = 0.1
"""Distance between picture and mirror, as a share of the person's size, beyond which neither is believed."""

_FIT_SCORE = 0.4
"""A joint's score from which on it counts when style is fitted."""

_FAILED = 2
"""Exit status where the data or the teacher's files are not as expected."""


# Of each pair the left comes first, then the right; the nose comes before all pairs.
_OTHER_SIDE = [0, *(i for left in range(1, len(JOINTS_17), 2) for i in (left + 1, left))]
"""Which joint of the mirror image each joint is."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What the teacher sees of N people: joints [N, 17, 2] in picture pixels, scores [N, 17]; COCO's order."""

    joints: Array
    scores: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/ and LSPET/")
    parser.add_argument("--movenet", type=Path, required=True, help="movenet-thunder.json; its .bin lies beside it")
    parser.add_argument("--out", type=Path, required=True, help=".npz to write, what `fit` takes as --teacher")


def run(args: argparse.Namespace) -> None:
    """Write the pseudo-labels; exit status 2 and one line on stderr where data or teacher are not as expected."""
    try:
        _pseudo_label(args.data, args.movenet, args.out)
    except (DatasetError, GraphError) as error:
        print(f"kinepose-train pseudo-label: {error}", file=sys.stderr)
        raise SystemExit(_FAILED) from None


def _pseudo_label(data: Path, movenet: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    teacher, names = MoveNet(movenet), lspet.part_names(data / "LSPET", "train")
    with _progress() as progress:
        coefficients = learn_style(teacher, data / "JHMDB", progress)
        predicted = label_stills(teacher, data / "LSPET", names, progress)
    with out.open("wb") as file:
        np.savez(
            file,
            names=np.array(names),
            joints=predicted.joints.astype(np.float32),
            scores=predicted.scores.astype(np.float32),
            style=coefficients,
        )
    print(f"{out}: {len(names)} pictures, {(predicted.scores > 0).mean():.0%} of their joints seen alike in the mirror")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def learn_style(teacher: Teacher, root: Path, progress: Progress) -> Array:
    """Coefficients [6, 7] from the teacher's joints to JHMDB's, on `FRAMES_A_CLIP` frames of each train clip.

    Raises:
        DatasetError: as the reader; or the teacher is sure of no shoulder, elbow, wrist, hip, knee or ankle at all.
    """
    people, labels, sizes = [], [], []
    names = jhmdb.split_names("train")
    for clip in progress.track(jhmdb.read_clips(root, names), len(names), description="JHMDB clips"):
        for t in _spread(len(clip)):
            sizes.append(float(clip.boxes[t, 2:].max()))
            people.append(predict_person(teacher, clip.frames[t], _square_of_box(clip, t), sizes[-1]))
            labels.append(clip.joints[t])
    predicted, coco = _stack(people), [JOINTS_17.index(name) for name in style.LIMB_JOINTS]
    usable = predicted.scores[:, coco] > _FIT_SCORE
    parts = usable.reshape(len(usable), len(style.PARTS), 2).any(axis=(0, 2))
    if not parts.all():
        raise DatasetError(f"{root}: the teacher is sure of no {style.PARTS[int(parts.argmin())]} in any clip")
    served = [SKELETON.index(name) for name in style.LIMB_JOINTS]
    return style.fit(predicted.joints[:, coco], np.array(labels)[:, served], usable, np.array(sizes))


def label_stills(teacher: Teacher, root: Path, names: list[str], progress: Progress) -> Predicted:
    """What the teacher sees of those pictures of LSPET, in their order; DatasetError as the reader."""
    [table] = read_mat(root / "joints.mat", "joints")  # [14, 3, N]
    people = []
    for name in progress.track(names, description="LSPET pictures"):
        rgb = read_image(root / "images" / name)
        square = square_of_labels(lspet.label_row(table, name), rgb.shape[1], rgb.shape[0])
        people.append(predict_person(teacher, rgb, square, square.side / _STILL_GROWTH))
    return _stack(people)


def predict_person(teacher: Teacher, rgb: Array, square: Square, size: float) -> tuple[Array, Array]:
    """Joints [17, 2] in picture pixels and scores [17] of one person, from the picture and its mirror.

    Joints are the mean of both, weighted by score; scores are the mean, and 0 where both lie apart.

    Args:
        size: the person's, in picture pixels.
    """
    picture = crop(rgb, square)
    runs = np.stack([teacher(picture), unmirror(teacher(np.ascontiguousarray(picture[:, ::-1])))])  # [2, 17, 3]
    places = (square.x, square.y) + (runs[..., :2] - 0.5) * square.side
    weights = np.maximum(runs[..., 2:], 1e-6)
    apart = np.linalg.norm(places[0] - places[1], axis=1) / size
    joints = (places * weights).sum(axis=0) / weights.sum(axis=0)
    return joints, np.where(apart < _DISAGREE, runs[..., 2].mean(axis=0), 0.0)


def unmirror(joints: Array) -> Array:
    """Joints [17, 3] of a mirror image (x, y, score; shares of the side) as joints of the picture itself."""
    own = joints[_OTHER_SIDE]
    own[:, 0] = 1.0 - own[:, 0]
    return own


def square_of_labels(labels: Array, width: int, height: int) -> Square:
    """The square round LSPET's labels [14, 3] (1-based x and y, flag); the whole picture where hardly any is there."""
    points = labels[labels[:, 2] > 0, :2] - 1.0
    if len(points) < MIN_LABELLED:
        return Square((width - 1) / 2, (height - 1) / 2, max(width, height))
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    side = np.float32(_STILL_GROWTH * max(*(high - low).tolist(), 8.0))
    return Square(float(x), float(y), float(side))


def _square_of_box(clip: Clip, t: int) -> Square:
    region = clip.region(t)
    return Square(*region.center, _CLIP_GROWTH * max(region.w, region.h))


def _spread(count: int) -> list[int]:
    """`FRAMES_A_CLIP` of `count` frames, evenly, without the ends."""
    return [int(t) for t in np.linspace(0, count - 1, FRAMES_A_CLIP + 2)[1:-1]]


def _stack(people: Sequence[tuple[Array, Array]]) -> Predicted:
    return Predicted(np.array([joints for joints, _ in people]), np.array([scores for _, scores in people]))
