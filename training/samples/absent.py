"""Samples with nobody in them: what lies beside the person, noise and flat colour.

A network that only ever sees people finds one in every wall. These teach it empty heatmaps, and the presence head
where there is nobody.
"""

import cv2
import numpy as np

from model.coords import crop_input, pixels_within
from model.values import Array, Frame, FrameTransform, Region
from training.datasets.person import Clip

_TRIES = 12
_MAX_OVERLAP = 0.02
"""Share of a background window that the person's (grown) box may cover."""

_PERSON_GROWTH = 1.15
_MADE_UP = 0.15
"""Share of samples without any picture: noise, flat colour, stripes."""


def background(clip: Clip, t: int, size: int, rng: np.random.Generator) -> Array:
    """A picture uint8 [S, S, 3] without the person of frame t."""
    if rng.random() < _MADE_UP:
        return made_up(size, rng)
    frame = clip.frames[t]
    window = _beside(frame.shape[1], frame.shape[0], clip.region(t), size, rng)
    if window is not None:
        return crop_input(Frame(frame), window)
    return crop_input(Frame(_wiped(frame, clip.region(t))), _anywhere(frame, size, rng))


def made_up(size: int, rng: np.random.Generator) -> Array:
    """Noise of a random grain, which is a flat colour where the grain is the picture's size."""
    cells = int(rng.choice([1, 2, 4, 16, size // 4, size]))
    grain = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
    smooth = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_NEAREST
    return cv2.resize(grain, (size, size), interpolation=smooth)


def _beside(width: int, height: int, person: Region, size: int, rng: np.random.Generator) -> FrameTransform | None:
    """A square window in the frame that hardly has a pixel of the person; None where no place was found."""
    for _ in range(_TRIES):
        side = float(rng.uniform(0.25, 0.9) * min(width, height))
        x, y = rng.uniform(0, width - side) - 0.5, rng.uniform(0, height - side) - 0.5
        if _overlap(x, y, side, person) <= _MAX_OVERLAP:
            return FrameTransform(x + side / 2, y + side / 2, side, size)
    return None


def _overlap(x: float, y: float, side: float, person: Region) -> float:
    """Share of the window that the grown box covers."""
    (cx, cy), w, h = person.center, person.w * _PERSON_GROWTH, person.h * _PERSON_GROWTH
    across = min(x + side, cx + w / 2) - max(x, cx - w / 2)
    down = min(y + side, cy + h / 2) - max(y, cy - h / 2)
    return max(0.0, across) * max(0.0, down) / side**2


def _wiped(frame: Array, person: Region) -> Array:
    """The frame with the person's box replaced by colours of its border."""
    (cx, cy), w, h = person.center, person.w * _PERSON_GROWTH, person.h * _PERSON_GROWTH
    height, width = frame.shape[:2]
    columns = pixels_within(cx - w / 2, cx + w / 2, width)
    rows = pixels_within(cy - h / 2, cy + h / 2, height)
    out = frame.copy()
    left, right = frame[rows, max(columns.start - 1, 0)], frame[rows, min(columns.stop, width - 1)]  # [h, 3]
    share = np.linspace(0, 1, columns.stop - columns.start, dtype=np.float32)[None, :, None]
    out[rows, columns] = (left[:, None] * (1 - share) + right[:, None] * share).astype(np.uint8)
    return out


def _anywhere(frame: Array, size: int, rng: np.random.Generator) -> FrameTransform:
    height, width = frame.shape[:2]
    side = float(rng.uniform(0.5, 1.2) * max(width, height))
    x, y = rng.uniform(0.3, 0.7, 2) * (width, height)
    return FrameTransform(float(x), float(y), side, size)
