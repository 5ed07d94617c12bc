"""Penn Action (Zhang et al. 2013) from its official layout: frames/NNNN/%06d.jpg and labels/NNNN.mat.

A label file holds action, pose (where the camera stands), x, y and visibility [T, 13], train (1 or -1), bbox [T, 4]
(x1, y1, x2, y2), nframes and dimensions. What one has to know of them:

- x, y and bbox are unsigned integers of 8 or 16 bits in some files: they are cast before anything is computed.
- Coordinates are MATLAB's 1-based pixels.
- bbox is one row short in clips 1154 and 1865: the last row is repeated.
- Some boxes have no area. They take the nearest frame's box: where that happens hardly a joint is visible (a box of
  the visible joints would be that very point), and the person does not go far in a frame or two.
- An invisible joint often lies near (1, 1). It counts as not labelled, but keeps its coordinates: metrics in the style
  of earlier papers read the torso whether it is visible or not.
- `dimensions` can differ from the pictures. It is not read; a picture says itself how large it is. In such a clip
  (1021) the boxes end where `dimensions` does, though the person goes on: they stay as they are, for they are what
  published figures are measured with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import ImageFiles, read_mat
from training.datasets.person import SKELETON, Clip

JOINTS_13 = (
    "head",
    "right_shoulder",
    "left_shoulder",
    "right_elbow",
    "left_elbow",
    "right_wrist",
    "left_wrist",
    "right_hip",
    "left_hip",
    "right_knee",
    "left_knee",
    "right_ankle",
    "left_ankle",
)
"""The official order: the person's own right comes first."""

_PICK = [JOINTS_13.index(name) for name in SKELETON.joints]
_TRAIN_FLAGS = {"train": 1, "test": -1}


@dataclass(frozen=True, slots=True, eq=False)
class PennLabels:
    """One clip's labels.

    Attributes:
        name: four digits.
        action, viewpoint: in the dataset's words, such as `golf_swing` and `back`.
        train: the official split.
        joints: float32 [T, K, 2], frame pixels, 0-based, in the served order; raw where not visible.
        visible: bool [T, K].
        boxes: float32 [T, 4], x, y, w, h, each of an area above 0.
    """

    name: str
    action: str
    viewpoint: str
    train: bool
    joints: Array
    visible: Array
    boxes: Array

    def __len__(self) -> int:
        return len(self.joints)


def part_names(root: Path, part: str) -> list[str]:
    """Clip names of `train` or `test`, by the flag in every label file; KeyError where there is no such part."""
    wanted = _TRAIN_FLAGS[part]
    files = sorted((root / "labels").glob("*.mat"))
    return [path.stem for path in files if _train_flag(path, read_mat(path, "train")[0]) == wanted]


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """The clips of that name; their frames are read from disk at each use."""
    for name in names:
        yield read_clip(root, name)


def read_clip(root: Path, name: str) -> Clip:
    """One clip; DatasetError where labels and frames on disk disagree in number."""
    labels = read_labels(root / "labels" / f"{name}.mat")
    frames = ImageFiles(_frame_files(root / "frames" / name, len(labels)))
    return Clip(name, frames, labels.joints, labels.visible, labels.boxes, action=labels.action)


def _frame_files(folder: Path, count: int) -> list[Path]:
    wanted = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    found = sorted(path.name for path in folder.glob("*.jpg"))
    if found != wanted:
        raise DatasetError(
            f"{folder}: the labels have {count} frames, so expected 000001.jpg to {count:06d}.jpg; "
            f"found {len(found)} frames{_span(found)}"
        )
    return [folder / name for name in wanted]


def _span(found: list[str]) -> str:
    return f", {found[0]} to {found[-1]}" if found else ""


def read_labels(path: Path) -> PennLabels:
    """One label file; needs no frames.

    Raises:
        DatasetError: the file is missing or broken, or its tables disagree in length.
    """
    names = ("action", "pose", "train", "x", "y", "visibility", "bbox", "nframes")
    action, pose, train, x, y, visibility, bbox, nframes = read_mat(path, *names)
    count = int(nframes.item())
    if not x.shape == y.shape == visibility.shape == (count, len(JOINTS_13)):
        shapes = [list(table.shape) for table in (x, y, visibility)]
        raise DatasetError(f"{path}: expected x, y, visibility [{count}, 13], got {shapes}")
    joints = np.stack([x.astype(np.float64), y.astype(np.float64)], axis=-1) - 1.0  # [T, 13, 2]
    return PennLabels(
        name=path.stem,
        action=str(action.item()),
        viewpoint=str(pose.item()),
        train=_train_flag(path, train) == _TRAIN_FLAGS["train"],
        joints=joints[:, _PICK].astype(np.float32),
        visible=visibility[:, _PICK] > 0,
        boxes=_boxes(path, bbox, count),
    )


def _train_flag(path: Path, flag: Array) -> int:
    if flag.size != 1 or flag.item() not in _TRAIN_FLAGS.values():
        raise DatasetError(f"{path}: expected train to be 1 or -1, got {flag.tolist()}")
    return int(flag.item())


def _boxes(path: Path, bbox: Array, count: int) -> Array:
    """Corners [T or T - 1, 4], 1-based, to x, y, w, h float32 [T, 4], 0-based, each with an area."""
    if bbox.ndim != 2 or bbox.shape[1] != 4 or len(bbox) not in (count, count - 1) or not len(bbox):
        raise DatasetError(f"{path}: expected bbox [{count}, 4], got {list(bbox.shape)}")
    corners = bbox.astype(np.float64)
    if len(corners) < count:
        corners = np.concatenate([corners, corners[-1:]])
    size = corners[:, 2:] - corners[:, :2]
    good = np.flatnonzero((size > 0).all(axis=1))
    if not len(good):
        raise DatasetError(f"{path}: no frame has a box with an area")
    nearest = [good[np.argmin(np.abs(good - t))] for t in range(count)]
    return np.concatenate([corners[:, :2] - 1.0, size], axis=1)[nearest].astype(np.float32)
