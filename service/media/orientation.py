"""How a stored picture is turned upright: the eight orientations of EXIF and of a video's display matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from model.values import Array

QUARTER_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class Orientation:
    """A picture is mirrored left-right first (if at all), then turned.

    Attributes:
        turn: degrees clockwise, 0, 90, 180 or 270: what replies call `rotation_applied`.
        mirrored: a left-right flip before the turn. Replies do not tell it: their coordinates, and which side
            is the left one, are those of the upright picture, which is what a viewer shows.
    """

    turn: int = 0
    mirrored: bool = False

    def apply(self, rgb: Array) -> Array:
        """The upright picture of a stored one, uint8 [H, W, 3]; the same array if nothing is to be done."""
        upright = cv2.flip(rgb, 1) if self.mirrored else rgb
        return cv2.rotate(upright, QUARTER_TURNS[self.turn]) if self.turn else upright

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return (height, width) if self.turn in (90, 270) else (width, height)


UPRIGHT = Orientation()

_EXIF = {
    1: UPRIGHT,
    2: Orientation(0, mirrored=True),
    3: Orientation(180),
    4: Orientation(180, mirrored=True),
    5: Orientation(270, mirrored=True),
    6: Orientation(90),
    7: Orientation(90, mirrored=True),
    8: Orientation(270),
}


def from_exif(value: int) -> Orientation:
    """Orientation of EXIF tag 0x0112; a value that the standard does not know counts as upright."""
    return _EXIF.get(value, UPRIGHT)


def from_display_matrix(matrix: Sequence[int]) -> Orientation:
    """Orientation of FFmpeg's display matrix: 9 fixed-point numbers that send a row (x, y, 1) to the display.

    An angle between quarter turns is rounded to the nearest; scale and offset do not matter.
    """
    x_image, y_image = matrix[0:2], matrix[3:5]
    mirrored = x_image[0] * y_image[1] - x_image[1] * y_image[0] < 0
    # Where "right" points once the mirror is undone. y points down, so a growing angle turns clockwise.
    sign = -1 if mirrored else 1
    angle = math.degrees(math.atan2(sign * x_image[1], sign * x_image[0]))
    turn = round(angle / 90) * 90 % 360
    return Orientation(turn, mirrored)
