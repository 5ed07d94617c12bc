"""Image bytes to Frame. Blocking: the pipeline calls it in an executor."""

import cv2
import numpy as np
import simplejpeg
from cv2.utils import logging

from model.values import Array, Frame
from service.errors import BadImage, ImageTooLarge, TooLarge
from service.media.image_header import ImageHeader, read_header

# A broken picture is reported to its sender; OpenCV's own lines about it would only fill the server's log.
logging.setLogLevel(logging.LOG_LEVEL_SILENT)

TOLERATED_JPEG_FLAW = "extraneous bytes"
"""Webcams write stray bytes before a marker; the picture is whole all the same."""


def decode(image: bytes, max_bytes: int, max_pixels: int) -> Frame:
    """The upright picture in a JPEG, PNG, WebP or BMP file.

    Grey pictures get three equal channels, CMYK JPEGs become RGB, transparency is left out, 16 bits become 8.
    The EXIF orientation of a JPEG is applied and stated in `rotation_applied` (a mirrored one is also flipped);
    other formats are taken as they are stored. Of an animation, the first picture.

    Raises:
        TooLarge: more than max_bytes bytes.
        ImageTooLarge: more than max_pixels pixels, by its header: nothing was decoded.
        BadImage: not one of the four formats, or broken or cut off.
    """
    if len(image) > max_bytes:
        raise TooLarge(f"the image has {len(image)} bytes, more than the {max_bytes} allowed")
    header = read_header(image)
    if header.width * header.height > max_pixels:
        raise ImageTooLarge(
            f"the image is {header.width} x {header.height} pixels, more than the {max_pixels} allowed in all"
        )
    rgb = _decode_jpeg(image) if header.kind == "jpeg" else _decode_other(image, header)
    return Frame(header.orientation.apply(rgb), rotation_applied=header.orientation.turn)


def _decode_jpeg(image: bytes) -> Array:
    try:
        return _jpeg_pixels(image, strict=True)
    except ValueError as error:
        if TOLERATED_JPEG_FLAW not in str(error):
            raise BadImage(f"a broken JPEG: {error}") from error
    try:
        return _jpeg_pixels(image, strict=False)
    except ValueError as error:
        raise BadImage(f"a broken JPEG: {error}") from error


def _jpeg_pixels(image: bytes, *, strict: bool) -> Array:
    rgb: Array = simplejpeg.decode_jpeg(image, colorspace="RGB", strict=strict)
    return rgb


def _decode_other(image: bytes, header: ImageHeader) -> Array:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        rgb: Array | None = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    except cv2.error as error:
        raise BadImage(f"a broken {header.kind.upper()}: {error.err}") from error
    if rgb is None:
        raise BadImage(f"a broken or cut off {header.kind.upper()} image")
    if rgb.shape[:2] != (header.height, header.width):
        raise BadImage(f"the {header.kind.upper()} header and its pixels differ in size")
    return rgb
