"""Metres a pixel, from how tall somebody is."""

from typing import Final

import numpy as np

from model.skeletons import Skeleton
from model.values import Array

SHARES: Final = {"shank": 0.246, "thigh": 0.245, "trunk": 0.288, "neck": 0.117}
"""Lengths as shares of the stature: ankle to knee, knee to hip, hip to shoulder (Drillis and Contini, 1966), and
shoulder to the middle of the head, which lies half way between the chin (0.870) and the crown."""
LONGEST: Final = 0.9
"""Quantile over all frames: limbs that point towards the camera look short, and none looks long."""


def metres_per_pixel(xy: Array, skeleton: Skeleton, height_m: float) -> float:
    """Metres a pixel for somebody of that height whose joints [T, K, 2] are these, in square pixels.

    They are taken to move at one distance from the camera, in the plane of the picture.

    Returns:
        NaN where legs, trunk or head are never seen.
    """
    lengths = _lengths(xy, skeleton)
    stature_px = sum(lengths.values()) / sum(SHARES.values())
    return height_m / stature_px if stature_px > 0 else float("nan")


def _lengths(xy: Array, skeleton: Skeleton) -> dict[str, float]:
    def joint(name: str) -> Array:
        points: Array = xy[:, skeleton.index(name)]
        return points

    def both(part: str) -> Array:
        return np.stack((joint(f"left_{part}"), joint(f"right_{part}")))

    shoulder, hip = both("shoulder").mean(axis=0), both("hip").mean(axis=0)
    return {
        "shank": _long(both("ankle") - both("knee")),
        "thigh": _long(both("knee") - both("hip")),
        "trunk": _long(shoulder - hip),
        "neck": _long(joint("head") - shoulder),
    }


def _long(way: Array) -> float:
    lengths = np.linalg.norm(way, axis=-1).ravel()
    seen = lengths[~np.isnan(lengths)]
    return float(np.quantile(seen, LONGEST)) if len(seen) else float("nan")
