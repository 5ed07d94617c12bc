"""Where a person may be when nothing is known: square windows over the whole frame, coarse to fine."""

from itertools import product

from model.coords import letterbox_transform
from model.values import FrameTransform


def coarse_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """The letterboxed frame, and squares along its longer side where that is clearly longer."""
    whole = letterbox_transform(width, height, input_size)
    if max(width, height) < 1.2 * min(width, height):
        return [whole]
    return [whole, *_squares(width, height, float(min(width, height)), input_size)]


def fine_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """Overlapping squares of 0.55 of the shorter side, for people who are small in the frame."""
    return _squares(width, height, 0.55 * min(width, height), input_size)


def _squares(width: int, height: int, side: float, input_size: int) -> list[FrameTransform]:
    centers = product(_positions(height, side), _positions(width, side))
    return [FrameTransform(cx, cy, side, input_size) for cy, cx in centers]


def _positions(length: int, side: float) -> list[float]:
    """Middles of windows that cover [0, length) with at least a third of overlap."""
    if length <= side:
        return [(length - 1) / 2]
    count = 2 + int((length - side) // (side * 0.67))
    step = (length - side) / (count - 1)
    return [side / 2 - 0.5 + i * step for i in range(count)]
