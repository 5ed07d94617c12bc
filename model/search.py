"""Where a person may be when nothing is known: square windows over the whole frame, coarse to fine.

The number of windows is bounded whatever the frame's shape: in a strip they lie apart from one another.
"""

from itertools import product

from model.coords import letterbox_transform
from model.values import FrameTransform

MOST_COARSE, MOST_FINE, MOST_FINEST = 8, 24, 45
"""Windows of each kind at most, and so what a search may cost."""

_FINE, _FINEST = 0.55, 0.3
"""Sides of the windows, share of the frame's shorter side."""

_OVERLAP_STEP = 0.67
"""Step from window to window over their side: a third of overlap."""


def coarse_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """The letterboxed frame, and squares along its longer side where that is clearly longer."""
    whole = letterbox_transform(width, height, input_size)
    if max(width, height) < 1.2 * min(width, height):
        return [whole]
    return [whole, *_squares(width, height, float(min(width, height)), input_size, MOST_COARSE - 1)]


def fine_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """Overlapping squares of about half of the shorter side, for people who are small in the frame."""
    return _squares(width, height, _FINE * min(width, height), input_size, MOST_FINE)


def finest_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """Still smaller squares; none where they would hold fewer pixels than the network reads: nothing more is seen."""
    side = _FINEST * min(width, height)
    return _squares(width, height, side, input_size, MOST_FINEST) if side >= input_size else []


def _squares(width: int, height: int, side: float, input_size: int, most: int) -> list[FrameTransform]:
    """At most `most` squares; along the shorter side there are as many as it needs, which is five at most."""
    short = _positions(min(width, height), side, most)
    long = _positions(max(width, height), side, most // len(short))
    rows, columns = (short, long) if width >= height else (long, short)
    return [FrameTransform(cx, cy, side, input_size) for cy, cx in product(rows, columns)]


def _positions(length: int, side: float, most: int) -> list[float]:
    """Middles of at most `most` windows, evenly over [0, length); by a third over one another where that suffices."""
    if length <= side or most < 2:
        return [(length - 1) / 2]
    count = min(most, 2 + int((length - side) // (side * _OVERLAP_STEP)))
    step = (length - side) / (count - 1)
    return [side / 2 - 0.5 + i * step for i in range(count)]
