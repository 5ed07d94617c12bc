"""How alike two sightings of people are: by their boxes, and by their joints."""

import numpy as np

from model.region import JOINT_SEEN
from model.values import Array, Pose, Region

_SIGMAS = np.array([0.079, *(0.079,) * 2, *(0.072,) * 2, *(0.062,) * 2, *(0.107,) * 2, *(0.087,) * 2, *(0.089,) * 2])
"""COCO's spread of each joint over the root of the person's area, in the order of `kinepose13`; the head, which COCO
does not have, as the shoulders."""


def overlap(one: Region, other: Region) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    w = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    h = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    if min(w, h) <= 0:
        return 0.0
    return w * h / (one.w * one.h + other.w * other.h - w * h)


def joint_similarity(one: Pose, other: Array, area: float) -> float:
    """OKS of a pose and of joints [13, 2], of people of this area (squared pixels), 0 to 1, by the pose's seen joints.

    A crop that cuts somebody off shows only a part of the joints: those tell who it is.
    """
    seen = one.score >= JOINT_SEEN
    squared = ((one.xy_px - other) ** 2).sum(axis=1)
    each = np.exp(-squared / (2 * area * (2 * _SIGMAS) ** 2))
    return float(each[seen].mean()) if seen.any() else 0.0


def distance(one: Region, other: Region) -> float:
    """Between the middles of two boxes, pixels."""
    return float(np.hypot(one.center[0] - other.center[0], one.center[1] - other.center[1]))
