"""What every dataset reader gives: people with labelled joints of the served skeleton."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from model.skeletons import KINEPOSE_13, Skeleton
from model.values import Array, Region

SKELETON = KINEPOSE_13


class Frames(Protocol):
    """Pictures uint8 [H, W, 3], RGB: an array [T, H, W, 3], or files that are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, t: int, /) -> Array: ...

    def __iter__(self) -> Iterator[Array]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One person over T >= 1 contiguous frames (a still picture is a clip of one).

    Attributes:
        name: unique within its dataset.
        frames: T pictures uint8 [H, W, 3], RGB, in memory or read from disk at each use.
        joints: float32 [T, K, 2], frame pixels, 0-based pixel centres.
        labelled: bool [T, K]; False joints have no meaning and are masked.
        boxes: float32 [T, 4], the person's own box x, y, w, h.
        action: what the person does, in the dataset's words; empty where the dataset does not say.
        skeleton: which K joints these are.
    """

    name: str
    frames: Frames
    joints: Array
    labelled: Array
    boxes: Array
    action: str = ""
    skeleton: Skeleton = SKELETON

    def __post_init__(self) -> None:
        t, k = len(self.frames), len(self.skeleton)
        shapes = (self.joints.shape, self.labelled.shape, self.boxes.shape)
        if shapes != ((t, k, 2), (t, k), (t, 4)):
            raise ValueError(f"{self.name}: {t} frames of {k} joints, got joints, labels, boxes of {shapes}")

    def __len__(self) -> int:
        return len(self.frames)

    def region(self, t: int) -> Region:
        """The person's own box in frame t."""
        x, y, w, h = (float(v) for v in self.boxes[t])
        return Region(x, y, w, h)


def in_skeleton(clip: Clip, skeleton: Skeleton) -> Clip:
    """The same clip with the joints of another skeleton, found by their names; one that it lacks is not labelled."""
    joints = np.zeros((len(clip), len(skeleton), 2), np.float32)
    labelled = np.zeros((len(clip), len(skeleton)), bool)
    for k, name in enumerate(skeleton.joints):
        if name in clip.skeleton.joints:
            own = clip.skeleton.index(name)
            joints[:, k], labelled[:, k] = clip.joints[:, own], clip.labelled[:, own]
    return replace(clip, joints=joints, labelled=labelled, skeleton=skeleton)


def box_of_joints(xy: Array, labelled: Array, grow: float) -> Array:
    """Box x, y, w, h round the labelled joints [K, 2], each side of at least 8 px longer by `grow` of it."""
    points = xy[labelled]
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 8.0)
    middle = (low + high) / 2
    size = size * (1 + grow)
    return np.concatenate([middle - size / 2, size]).astype(np.float32)
