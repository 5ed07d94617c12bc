"""A clip's person cut out, so that they can be put into another picture with their joints known.

JHMDB's masks are not at hand in full; a person is what lies near their bones, as in its puppets.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.skeletons import KINEPOSE_13
from model.values import Array
from training.datasets.person import Clip

_LIMB, _HEAD, _END = 0.055, 0.09, 0.065
"""Radii over the person's size: of limbs, head, and hands and feet, which lie beyond the last joints."""
_ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_BITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """One person in one picture.

    Attributes:
        rgb: uint8 [H, W, 3], the picture.
        mask: bool [H, W], where in it they are.
        joints: float64 [13, 2], its pixels.
        area: of the person's box, squared pixels.
    """

    rgb: Array
    mask: Array
    joints: Array
    area: float


def cut_out(clip: Clip, t: int) -> CutOut:
    """The person of frame t where they are."""
    joints, (_, _, w, h) = clip.joints[t].astype(np.float64), clip.boxes[t].astype(np.float64)
    rgb = clip.frames[t]
    return CutOut(rgb, person_mask(joints, max(w, h), rgb.shape[:2]), joints, float(w * h))


def placed(one: CutOut, scale: float, shift: tuple[float, float], size: tuple[int, int]) -> CutOut:
    """The person scaled, then shifted, in a picture of that size (width, height); what leaves it is gone."""
    # Pixel centres are whole numbers: scaling keeps the picture's upper left edge, which is at -0.5.
    x, y = (by + scale / 2 - 0.5 for by in shift)
    matrix = np.array([[scale, 0.0, x], [0.0, scale, y]])
    rgb = cv2.warpAffine(one.rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(one.mask.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST).astype(bool)
    return CutOut(rgb, mask, one.joints * scale + np.array([x, y]), one.area * scale**2)


def person_mask(joints: Array, person: float, shape: tuple[int, ...]) -> Array:
    """Bool [H, W]: what lies near the bones of joints [13, 2]. `person`: longer side of the box, pixels."""
    mask = np.zeros(shape, np.uint8)
    points = np.round(joints * (1 << _BITS)).astype(np.int32)
    width = max(1, round(2 * _LIMB * person))
    for start, end in KINEPOSE_13.bones:
        cv2.line(mask, points[start].tolist(), points[end].tolist(), 1, width, cv2.LINE_8, _BITS)
    trunk = [points[KINEPOSE_13.index(name)].tolist() for name in _TRUNK]
    cv2.fillPoly(mask, [np.array(trunk, np.int32)], 1, cv2.LINE_8, _BITS)
    for name, share in [("head", _HEAD), *((name, _END) for name in _ENDS)]:
        cv2.circle(
            mask, points[KINEPOSE_13.index(name)].tolist(), round(share * person * (1 << _BITS)), 1, -1, 8, _BITS
        )
    return np.asarray(mask, bool)
