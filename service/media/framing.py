"""Stored pictures of a clip to upright frames with square pixels, all of one size."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from model.values import Array
from service.errors import BadClip
from service.media.limits import ClipLimits
from service.media.orientation import UPRIGHT, Orientation, from_display_matrix
from service.media.pictures import words
from service.media.shape import Shape, plausible


def shape_of(first: VideoFrame, aspect: Fraction | None, limits: ClipLimits) -> Shape:
    """The shape of a clip from its first picture and what the file says of its pixels. Raises ImageTooLarge."""
    shape = Shape((first.width, first.height), plausible(aspect), _orientation(first))
    limits.check_pixels(*shape.frame_size)
    return shape


def frame_of(picture: VideoFrame, shape: Shape, limits: ClipLimits, scaler: VideoReformatter) -> Array:
    """The frame of a picture, uint8 [H, W, 3].

    One of another size than the first is fitted into it, with black beside it where it has another form.

    Args:
        scaler: the same for all pictures of a clip: setting up one takes as long as using it.

    Raises:
        ImageTooLarge: it has more pixels than allowed.
        BadClip: it cannot be turned to RGB.
    """
    width, height = shape.squared(*shape.stored)
    if (picture.width, picture.height) != shape.stored:
        return shape.orientation.apply(_fitted(picture, shape, limits, scaler))
    if (width, height) == shape.stored:
        return shape.orientation.apply(_scaled(picture, None, None, scaler))
    return shape.orientation.apply(_scaled(picture, width, height, scaler))


def _fitted(picture: VideoFrame, shape: Shape, limits: ClipLimits, scaler: VideoReformatter) -> Array:
    limits.check_pixels(picture.width, picture.height)
    frame_width, frame_height = shape.squared(*shape.stored)
    width, height = shape.squared(picture.width, picture.height)
    scale = min(frame_width / width, frame_height / height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    frame = np.zeros((frame_height, frame_width, 3), np.uint8)
    top, left = (frame_height - height) // 2, (frame_width - width) // 2
    frame[top : top + height, left : left + width] = _scaled(picture, width, height, scaler)
    return frame


def _scaled(picture: VideoFrame, width: int | None, height: int | None, scaler: VideoReformatter) -> Array:
    """The picture in RGB and this size; None: its own."""
    try:
        return _pixels(scaler.reformat(picture, width, height, "rgb24"))
    except av.FFmpegError as error:
        raise BadClip(f"a picture cannot be turned to RGB: {words(error)}") from error


def _pixels(rgb: VideoFrame) -> Array:
    """The picture's own memory as uint8 [H, W, 3], where its rows lie without room between them; else a copy."""
    [plane] = rgb.planes
    rows: Array = np.frombuffer(memoryview(plane), np.uint8).reshape(rgb.height, plane.line_size)
    return rows[:, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3)


def _orientation(picture: VideoFrame) -> Orientation:
    # PyAV's types know of motion vectors only.
    side_data = cast(Mapping[str, bytes], picture.side_data)
    try:
        matrix = side_data["DISPLAYMATRIX"]
    except KeyError:
        return UPRIGHT
    return from_display_matrix(struct.unpack("=9i", matrix))
