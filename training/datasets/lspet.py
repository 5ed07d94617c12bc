"""Leeds Sports Pose Extended (Johnson & Everingham 2011): images/im%05d.jpg and joints.mat [14, 3, 10000].

x, y are MATLAB's 1-based pixels; the third row is 1 where the joint is labelled. A joint that is not labelled
is masked.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import scipy.io

from model.values import Array
from training.datasets.person import SKELETON, Clip, box_of_joints

JOINTS_14 = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "head_top",
)
_FACE = 0.55
"""How far the face lies from the neck towards the head's top: what comes nearest to JHMDB's face point."""

_BODY_GROWTH = 0.15
"""A body is about so much longer than the box of its joints: hands, feet and scalp stick out."""


def part_names(root: Path, part: str) -> list[str]:
    """Image names of `train` or `val`."""
    return (root / f"{part}.txt").read_text().split()


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """Pictures as clips of one frame; those with fewer than 3 labelled joints are left out.

    Raises:
        FileNotFoundError: an image that the list names is missing.
    """
    table = scipy.io.loadmat(root / "joints.mat")["joints"]  # [14, 3, N]
    for name in names:
        joints, labelled = to_skeleton(table[:, :, int(name[2:7]) - 1])
        if labelled.sum() < 3:
            continue
        rgb = _read_image(root / "images" / name)
        box = box_of_joints(joints, labelled, _BODY_GROWTH)
        yield Clip(name, rgb[None], joints[None], labelled[None], box[None])


def to_skeleton(row: Array) -> tuple[Array, Array]:
    """One image's labels [14, 3] to joints float32 [K, 2], 0-based, and labelled bool [K]."""
    xy, flag = row[:, :2] - 1.0, row[:, 2] > 0
    by_name = {name: (xy[i], flag[i]) for i, name in enumerate(JOINTS_14)}
    (neck, neck_flag), (top, top_flag) = by_name["neck"], by_name["head_top"]
    by_name["head"] = (neck + _FACE * (top - neck), neck_flag and top_flag)
    picked = [by_name[name] for name in SKELETON.joints]
    return np.array([p[0] for p in picked], np.float32), np.array([bool(p[1]) for p in picked])


def _read_image(path: Path) -> Array:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"{path}: missing or not an image")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
