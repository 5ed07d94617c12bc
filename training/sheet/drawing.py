"""Labelled or estimated poses drawn over pictures: contact sheets and the report's worst clips."""

import cv2
import numpy as np

from model.skeletons import KINEPOSE_13, Skeleton
from model.values import Array

Colour = tuple[int, int, int]

# RGB. The person's own left and right; what has no side, or both.
LEFT: Colour = (64, 180, 255)
RIGHT: Colour = (255, 128, 40)
MIDDLE: Colour = (240, 240, 120)
OUTLINE: Colour = (20, 20, 20)

_SUBPIXEL_BITS = 4
_LONGEST = 30_000.0  # OpenCV draws with 32-bit fixed point: a joint far outside must not overflow it


def draw_pose(
    image: Array,
    joints: Array,
    labelled: Array | None = None,
    colour: Colour | None = None,
    *,
    skeleton: Skeleton = KINEPOSE_13,
    width: int | None = None,
) -> Array:
    """A copy of the picture with one person's joints and bones on it.

    Args:
        image: uint8 [H, W, 3], RGB.
        joints: [K, 2], x and y in pixels of this picture, 0-based pixel centres.
        labelled: bool [K]; other joints and their bones are left out. None draws all that are finite.
        colour: one RGB colour for all, to tell two poses apart; None tells the person's left from right.
        skeleton: what the joints are.
        width: line width in pixels; None goes by the picture's size.

    Raises:
        ValueError: joints or labelled do not fit the skeleton.
    """
    shown = _shown(joints, labelled, skeleton)
    points = np.clip(np.nan_to_num(joints), -_LONGEST, _LONGEST)
    thick = width or max(1, round(min(image.shape[:2]) / 160))
    picture = np.array(image, order="C")  # OpenCV draws in place and wants rows one after the other
    for start, end in skeleton.bones:
        if shown[start] and shown[end]:
            paint = colour or _bone_colour(skeleton.joints[start], skeleton.joints[end])
            _line(picture, points[start], points[end], paint, thick)
    for k in np.flatnonzero(shown):
        _dot(picture, points[k], colour or side_colour(skeleton.joints[k]), thick)
    return picture


def side_colour(joint: str) -> Colour:
    """The colour of a joint by its name: left, right, or neither."""
    return {"left": LEFT, "right": RIGHT}.get(joint.partition("_")[0], MIDDLE)


def _shown(joints: Array, labelled: Array | None, skeleton: Skeleton) -> Array:
    shown = np.isfinite(joints).all(axis=-1)
    if labelled is not None:
        shown = shown & labelled
    if joints.shape != (len(skeleton), 2) or shown.shape != (len(skeleton),):
        raise ValueError(f"{skeleton.name} has {len(skeleton)} joints, got {joints.shape} and {shown.shape}")
    return shown


def _line(picture: Array, start: Array, end: Array, colour: Colour, width: int) -> None:
    ends = _fixed(start), _fixed(end)
    cv2.line(picture, *ends, OUTLINE, width + 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.line(picture, *ends, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(picture: Array, point: Array, colour: Colour, width: int) -> None:
    radius = round(1.6 * width + 1) << _SUBPIXEL_BITS
    cv2.circle(picture, _fixed(point), radius + (1 << _SUBPIXEL_BITS), OUTLINE, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.circle(picture, _fixed(point), radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(point: Array) -> tuple[int, int]:
    x, y = np.round(point * (1 << _SUBPIXEL_BITS)).astype(int)
    return int(x), int(y)


def _bone_colour(start: str, end: str) -> Colour:
    """The side's colour where the bone has one: a bone from the head belongs to the other end's side."""
    sides = {side_colour(start), side_colour(end)} - {MIDDLE}
    return sides.pop() if len(sides) == 1 else MIDDLE
