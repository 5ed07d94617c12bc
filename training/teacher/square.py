"""The square of a picture that a teacher sees."""

from dataclasses import dataclass

import cv2
import numpy as np

from model.values import Array
from training.teacher.movenet import SIZE


@dataclass(frozen=True, slots=True)
class Square:
    """What the teacher sees of a picture: centre and side in picture pixels; pixel centres are whole numbers."""

    x: float
    y: float
    side: float


def crop(rgb: Array, square: Square, size: int = SIZE) -> Array:
    """The square as uint8 [size, size, 3], black where it leaves the picture; a larger one is averaged down.

    In single precision, as the labels are: rounding that turns one grey level has moved a teacher's joint by a pixel.
    """
    x, y, side = np.array([square.x, square.y, square.side], np.float32)
    drawn = size if side <= size else 2 * size
    scale = side / drawn
    first = (scale - side) / 2  # from the centre to where the first pixel's centre lies
    matrix = np.array([[scale, 0.0, x + first], [0.0, scale, y + first]])
    result = cv2.warpAffine(rgb, matrix, (drawn, drawn), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return result if drawn == size else cv2.resize(result, (size, size), interpolation=cv2.INTER_AREA)
