"""Joint and segment angles in the plane of the picture, by the definitions of Winter (Biomechanics and Motor Control
of Human Movement, 4th edition, 2009), degrees, in (-180, 180].

A segment's angle is that of the line from its distal to its proximal end, counter-clockwise from the right: 90 stands
upright. Joint angles are differences of these and 0 where both segments are in line:

    knee flexion      thigh - shank         hip flexion    thigh - trunk
    shoulder flexion  upper arm - trunk     elbow flexion  forearm - upper arm

They are positive for flexion of somebody who faces to the right, as seen from the side, and turned round for somebody
who faces to the left. Which way that is follows from the knees and elbows, which bend one way only. Seen from the
front the angles are those of the picture, and no flexion.
"""

from typing import Final

import numpy as np

from model.skeletons import Skeleton
from model.values import Array

SEGMENTS: Final = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
}
"""Proximal and distal end."""
JOINTS: Final = {
    "knee_flexion": ("thigh", "shank"),
    "hip_flexion": ("thigh", "trunk"),
    "shoulder_flexion": ("upper_arm", "trunk"),
    "elbow_flexion": ("forearm", "upper_arm"),
}
ONE_WAY: Final = ("knee_flexion", "elbow_flexion")
BENT: Final = 15.0
"""Degrees from which on a joint tells which way it bends: below, noise does."""
SIDES: Final = ("left", "right")
NAMES: Final = (
    *(f"{side}_{joint}_deg" for joint in JOINTS for side in SIDES),
    "trunk_deg",
    *(f"{side}_{segment}_deg" for segment in SEGMENTS for side in SIDES),
)


def angles_of(xy: Array, skeleton: Skeleton) -> Array:
    """The angles NAMES [T, A] of joints [T, K, 2] in square pixels, y down; NaN where an end is not seen."""
    segments = _segments(xy, skeleton)
    joints = {
        f"{side}_{joint}_deg": _wrapped(_of(segments, one, side) - _of(segments, other, side))
        for joint, (one, other) in JOINTS.items()
        for side in SIDES
    }
    facing = facing_of(joints)
    table = {name: facing * values for name, values in joints.items()} | {
        f"{name}_deg": values for name, values in segments.items()
    }
    return np.stack([table[name] for name in NAMES], axis=1)


def facing_of(joints: dict[str, Array]) -> int:
    """1 for somebody who faces to the right, -1 to the left: which way most bent knees and elbows bend."""
    bends = np.concatenate([joints[f"{side}_{joint}_deg"] for joint in ONE_WAY for side in SIDES])
    clear = bends[np.abs(np.nan_to_num(bends)) >= BENT]
    return -1 if np.sign(clear).sum() < 0 else 1


def _segments(xy: Array, skeleton: Skeleton) -> dict[str, Array]:
    def joint(name: str) -> Array:
        points: Array = xy[:, skeleton.index(name)]
        return points

    def middle(part: str) -> Array:
        return (joint(f"left_{part}") + joint(f"right_{part}")) / 2

    limbs = {
        f"{side}_{name}": _direction(joint(f"{side}_{distal}"), joint(f"{side}_{proximal}"))
        for name, (proximal, distal) in SEGMENTS.items()
        for side in SIDES
    }
    return limbs | {"trunk": _direction(middle("hip"), middle("shoulder"))}


def _of(segments: dict[str, Array], name: str, side: str) -> Array:
    return segments[name] if name in segments else segments[f"{side}_{name}"]


def _direction(start: Array, end: Array) -> Array:
    """Degrees counter-clockwise from the right of the way from start to end [T, 2], y down."""
    way = end - start
    degrees: Array = np.degrees(np.arctan2(-way[:, 1], way[:, 0]))
    return degrees


def _wrapped(degrees: Array) -> Array:
    """In (-180, 180]."""
    wrapped: Array = 180 - (180 - degrees) % 360
    return wrapped
