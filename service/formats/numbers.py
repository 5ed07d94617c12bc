"""Numbers as text, and joints in the order of other tools."""

import math

import numpy as np

from model.values import Array, Pose


def shortest(value: float) -> str:
    """A float32 with as few digits as tell it from its neighbours; nothing for NaN, which tables leave empty."""
    return "" if math.isnan(value) else str(np.float32(value))


def rounded(value: float) -> float:
    """A float32 as a float that JSON writes with the fewest digits."""
    return float(str(np.float32(value)))


def placed(pose: Pose, joints: tuple[int | None, ...]) -> Array:
    """x, y and score in the order of a layout: float32 [M, 3], NaN where the layout's joint is absent in ours."""
    table = np.full((len(joints), 3), np.nan, np.float32)
    for row, index in enumerate(joints):
        if index is not None:
            table[row] = *pose.xy_px[index], pose.score[index]
    return table
