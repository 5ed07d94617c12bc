"""What Leeds Sports Pose and its extension share: 14 joints, stills, and no box of the person."""

from pathlib import Path

import numpy as np

from model.values import Array
from training.datasets.files import read_image
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

MIN_LABELLED = 3
"""With fewer labelled joints it is not known where the person is."""


def to_skeleton(row: Array) -> tuple[Array, Array]:
    """One picture's labels to joints float32 [K, 2], 0-based, and labelled bool [K].

    Args:
        row: [14, 3], x and y in MATLAB's 1-based pixels, and a flag above 0 where the joint is labelled.
    """
    xy, flag = row[:, :2] - 1.0, row[:, 2] > 0
    by_name = {name: (xy[i], flag[i]) for i, name in enumerate(JOINTS_14)}
    (neck, neck_flag), (top, top_flag) = by_name["neck"], by_name["head_top"]
    by_name["head"] = (neck + _FACE * (top - neck), neck_flag and top_flag)
    picked = [by_name[name] for name in SKELETON.joints]
    return np.array([p[0] for p in picked], np.float32), np.array([bool(p[1]) for p in picked])


def read_still(path: Path, row: Array) -> Clip | None:
    """A picture and its labels [14, 3] as a clip of one frame; None where hardly a joint is labelled."""
    joints, labelled = to_skeleton(row)
    if labelled.sum() < MIN_LABELLED:
        return None
    box = box_of_joints(joints, labelled, _BODY_GROWTH)
    return Clip(path.name, read_image(path)[None], joints[None], labelled[None], box[None])
