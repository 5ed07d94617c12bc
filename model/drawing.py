"""Bones, joints and boxes drawn into pictures; colours tell left from right, and one person from another."""

import cv2
import numpy as np

from model.values import Array, Region

Colour = tuple[int, int, int]

# RGB. The person's own left and right; what has no side, or both.
LEFT: Colour = (64, 180, 255)
RIGHT: Colour = (255, 128, 40)
MIDDLE: Colour = (240, 240, 120)
OUTLINE: Colour = (20, 20, 20)
PEOPLE: tuple[Colour, ...] = (
    (0, 230, 120),
    (255, 70, 180),
    (255, 220, 0),
    (170, 110, 255),
    (0, 220, 220),
    (255, 90, 80),
    (160, 230, 60),
    (230, 160, 255),
)
"""One a person, none of them a side's; used again after the last."""

_SUBPIXEL_BITS = 4
_LONGEST = 30_000.0  # OpenCV draws with 32-bit fixed point: a joint far outside must not overflow it


def draw_bone(picture: Array, start: Array, end: Array, colour: Colour, width: int) -> None:
    """A line with an outline, drawn in place.

    Args:
        picture: uint8 [H, W, 3], RGB, contiguous.
        start, end: [2], x and y in pixels, 0-based pixel centres; cut to what OpenCV can draw.
        width: of the line, pixels.
    """
    ends = _fixed(start), _fixed(end)
    cv2.line(picture, *ends, OUTLINE, width + 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.line(picture, *ends, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_joint(picture: Array, point: Array, colour: Colour, width: int, *, filled: bool = True) -> None:
    """A dot with an outline, or a ring, drawn in place; see draw_bone."""
    radius = round(1.6 * width + 1) << _SUBPIXEL_BITS
    if filled:
        cv2.circle(picture, _fixed(point), radius + (1 << _SUBPIXEL_BITS), OUTLINE, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.circle(picture, _fixed(point), radius, colour, -1 if filled else 1, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_box(picture: Array, box: Region, colour: Colour, width: int, *, whole: bool = True) -> None:
    """A box, or its corners alone, drawn in place; see draw_bone. `width`: of the line, pixels."""
    right, bottom = box.x + box.w, box.y + box.h
    corners = np.array([(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)])
    share = 0.5 if whole else 0.2
    for corner, before, after in zip(corners, np.roll(corners, 1, 0), np.roll(corners, -1, 0), strict=True):
        for other in (before, after):
            end = corner + share * (other - corner)
            cv2.line(picture, _fixed(corner), _fixed(end), colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_label(picture: Array, text: str, box: Region, colour: Colour, width: int) -> int:
    """A text above a box, or as near as the picture allows, drawn in place; how wide it is, pixels.

    `width`: of a line, pixels.
    """
    scale = 0.35 + 0.15 * width
    (across, up), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, width)
    height, picture_width = picture.shape[:2]
    x = round(min(max(box.x, 0), max(picture_width - across, 0)))
    y = round(min(max(box.y - below, up), max(height - below, up)))
    for line, shade in ((width + 2, OUTLINE), (width, colour)):
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, shade, line, cv2.LINE_AA)
    return int(across)


def person_colour(track_id: int) -> Colour:
    """The colour of a person by their number."""
    return PEOPLE[(track_id - 1) % len(PEOPLE)]


def line_width(picture: Array) -> int:
    """Width of bones that suits a picture's size, pixels."""
    height, width = picture.shape[:2]
    return max(1, round(min(int(height), int(width)) / 160))


def joint_colour(joint: str) -> Colour:
    """The colour of a joint by its name: left, right, or neither."""
    return {"left": LEFT, "right": RIGHT}.get(joint.partition("_")[0], MIDDLE)


def bone_colour(start: str, end: str) -> Colour:
    """The side's colour where the bone has one: a bone from the head belongs to the other end's side."""
    sides = {joint_colour(start), joint_colour(end)} - {MIDDLE}
    return sides.pop() if len(sides) == 1 else MIDDLE


def _fixed(point: Array) -> tuple[int, int]:
    x, y = np.round(np.clip(point, -_LONGEST, _LONGEST) * (1 << _SUBPIXEL_BITS)).astype(int)
    return int(x), int(y)
