"""Where to look next: the person's box in frame t+1 from the joints of frame t."""

from dataclasses import dataclass

import numpy as np

from model.values import Array, Region

JOINT_SEEN = 0.25
"""Score from which a joint helps to place the box."""

MIN_SEEN = 4
"""Joints that must be seen for the person to count as seen."""

BODY_PADDING = 0.1
"""A body sticks out of the box of its joints by about this share of the box's longer side, on each side
(JHMDB train: 0.06 left and right, 0.10 above and below)."""

SMOOTHING = 0.6
"""Weight of the new joints' box against the running one."""

_LOST_GROWTH = 1.15
_MIN_SIDE = 12.0


@dataclass(frozen=True, slots=True)
class NextBox:
    """The box for the next frame, and whether the person was seen in this one."""

    region: Region
    seen: bool


def box_from_joints(xy: Array, score: Array) -> Region | None:
    """The person's box from the joints that are seen, xy [K, 2] in frame pixels; None where too few are."""
    points = xy[score >= JOINT_SEEN]
    if len(points) < MIN_SEEN:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    padding = BODY_PADDING * max(float((high - low).max()), _MIN_SIDE)
    x, y = (float(v) for v in low - padding)
    w, h = (float(v) for v in high - low + 2 * padding)
    return Region(x, y, max(w, _MIN_SIDE), max(h, _MIN_SIDE))


def next_box(current: Region, xy: Array, score: Array, image_size: tuple[int, int]) -> NextBox:
    """Box for frame t+1.

    Seen: the joints' box, smoothed with the current one. Not seen: the current box grows about its middle, up
    to the whole frame, so that a lost person is never left in a shrinking box.
    """
    found = box_from_joints(xy, score)
    if found is None or not found.overlaps(*image_size):
        return NextBox(_grown(current, image_size), seen=False)
    return NextBox(_blend(current, found, SMOOTHING), seen=True)


def _blend(old: Region, new: Region, weight: float) -> Region:
    (ox, oy), (nx, ny) = old.center, new.center
    cx, cy = ox + weight * (nx - ox), oy + weight * (ny - oy)
    w, h = old.w + weight * (new.w - old.w), old.h + weight * (new.h - old.h)
    return Region(cx - w / 2, cy - h / 2, w, h)


def _grown(region: Region, image_size: tuple[int, int]) -> Region:
    cx, cy = (float(np.clip(c, 0, side - 1)) for c, side in zip(region.center, image_size, strict=True))
    w, h = (
        max(_MIN_SIDE, min(length * _LOST_GROWTH, float(side)))
        for length, side in zip((region.w, region.h), image_size, strict=True)
    )
    return Region(cx - w / 2, cy - h / 2, w, h)
