"""Whether a frame shows another scene than the one before."""

import math

import cv2
import numpy as np

from model.coords import halved
from model.state import SCENE_BYTES
from model.values import Frame

_SIZE = (8, 6)
_HALVED_ABOVE = 64
_CHANGED = 24.0
"""Levels of 255 by which the small pictures differ on average. People who move change a frame by 5 at most, a camera
that pans by about 10; cuts by 30 and more."""


def small_picture(frame: Frame) -> bytes:
    """The frame in 8 x 6 pixels, RGB."""
    times = max(0, math.floor(math.log2(min(frame.size) / _HALVED_ABOVE)))
    picture = cv2.resize(halved(frame, times), _SIZE, interpolation=cv2.INTER_AREA)
    return picture.tobytes()


def is_another(before: bytes, now: bytes) -> bool:
    """Whether these small pictures are of two scenes; False where one is not known."""
    if len(before) != SCENE_BYTES or len(now) != SCENE_BYTES:
        return False
    one, other = (np.frombuffer(part, np.uint8).astype(np.int16) for part in (before, now))
    return float(np.abs(one - other).mean()) > _CHANGED
