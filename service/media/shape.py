"""Stored pictures of a clip to upright frames with square pixels, all of one size."""

import struct
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import cast

import numpy as np
from av.video.frame import VideoFrame

from model.coords import rescale_points, rescale_region
from model.values import Array, Region
from service.contract.messages import FrameResult
from service.media.limits import ClipLimits
from service.media.orientation import UPRIGHT, Orientation, from_display_matrix

NEARLY_SQUARE = Fraction(1, 50)
"""Pixels that are so little longer than wide are left as they are: encoders round."""
STRANGEST = 8
"""A pixel of more than 8:1 is taken for a mistake of the file, and for a square."""


class Shape:
    """How the pictures of a clip become frames; made from the first of them.

    The longer side of a pixel that is not square is the one that is stretched, so that nothing is lost.

    Args:
        first: the first picture.
        aspect: width over height of a stored pixel; None where nothing is said.
        limits: of pixels, for any picture, as it is stored and as a frame.

    Attributes:
        orientation: the turn that makes the picture upright.
        stored: width and height of the picture as it is stored.
        size: width and height of the upright picture in stored pixels: what joints are told in.
        frame_size: the same in square pixels.
        pixel_aspect: width over height of a pixel of `size`; 1 for a square.

    Raises:
        ImageTooLarge: from `rgb` as well.
    """

    def __init__(self, first: VideoFrame, aspect: Fraction | None, limits: ClipLimits) -> None:
        self._limits = limits
        self._aspect = _plausible(aspect)
        self.stored = (first.width, first.height)
        self._square = self._squared(*self.stored)
        self.orientation = _orientation(first)
        self.size = self.orientation.size(*self.stored)
        self.frame_size = self.orientation.size(*self._square)
        turned = self.orientation.turn in (90, 270)
        self.pixel_aspect = 1 / self._aspect if turned else self._aspect

    def is_first_size(self, picture: VideoFrame) -> bool:
        """Whether the picture has the size of the first one."""
        return (picture.width, picture.height) == self.stored

    def region_to_frame(self, region: Region | None) -> Region | None:
        """A box in stored pixels, in those of the frames."""
        if region is None or self.frame_size == self.size:
            return region
        return rescale_region(region, self.size, self.frame_size)

    def result_to_stored(self, result: FrameResult) -> FrameResult:
        """The result of a frame, told in stored pixels."""
        return _rescaled(result, self.frame_size, self.size)

    def result_to_frame(self, result: FrameResult) -> FrameResult:
        """What `result_to_stored` made, back in the frame's pixels."""
        return _rescaled(result, self.size, self.frame_size)

    def rgb(self, picture: VideoFrame) -> Array:
        """The frame of a picture, uint8 [H, W, 3]. One of another size is fitted into the first one's, with black
        beside it where it has another form.
        """
        if not self.is_first_size(picture):
            return self.orientation.apply(self._fitted(picture))
        if self._square == self.stored:
            return self.orientation.apply(picture.to_ndarray(format="rgb24"))
        return self.orientation.apply(_scaled(picture, *self._square))

    def _squared(self, width: int, height: int) -> tuple[int, int]:
        self._limits.check_pixels(width, height)
        if self._aspect > 1:
            width = round(width * self._aspect)
        else:
            height = round(height / self._aspect)
        self._limits.check_pixels(width, height)
        return width, height

    def _fitted(self, picture: VideoFrame) -> Array:
        width, height = self._squared(picture.width, picture.height)
        frame_width, frame_height = self._square
        scale = min(frame_width / width, frame_height / height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        frame = np.zeros((frame_height, frame_width, 3), np.uint8)
        top, left = (frame_height - height) // 2, (frame_width - width) // 2
        frame[top : top + height, left : left + width] = _scaled(picture, width, height)
        return frame


def _rescaled(result: FrameResult, old: tuple[int, int], new: tuple[int, int]) -> FrameResult:
    if old == new or result.pose is None:
        return result
    pose = replace(result.pose, xy_px=rescale_points(result.pose.xy_px, old, new))
    region = rescale_region(result.region, old, new) if result.region else None
    return replace(result, pose=pose, region=region, image_size=new)


def _plausible(aspect: Fraction | None) -> Fraction:
    if not aspect or not Fraction(1, STRANGEST) <= aspect <= STRANGEST or abs(aspect - 1) <= NEARLY_SQUARE:
        return Fraction(1)
    return aspect


def _scaled(picture: VideoFrame, width: int, height: int) -> Array:
    return picture.to_ndarray(format="rgb24", width=width, height=height)


def _orientation(picture: VideoFrame) -> Orientation:
    # PyAV's types know of motion vectors only.
    side_data = cast(Mapping[str, bytes], picture.side_data)
    try:
        matrix = side_data["DISPLAYMATRIX"]
    except KeyError:
        return UPRIGHT
    return from_display_matrix(struct.unpack("=9i", matrix))
