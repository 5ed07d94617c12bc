"""Image bytes to Frame. Blocking: the pipeline calls it in an executor."""

import cv2
import numpy as np
from cv2.utils import logging

from model.values import Array, Frame
from service.errors import BadImage, ImageTooLarge, TooLarge
from service.media.image_header import ImageHeader, read_header
from service.media.jpeg import decode_jpeg
from service.media.png import pixels_only

# A broken picture is reported to its sender; OpenCV's own lines about it would only fill the server's log.
logging.setLogLevel(logging.LOG_LEVEL_SILENT)


def decode(image: bytes, max_bytes: int, max_pixels: int) -> Frame:
    """The upright picture in a JPEG, PNG, WebP or BMP file.

    Grey pictures get three equal channels, CMYK JPEGs become RGB, transparency is left out, 16 bits become 8.
    The EXIF orientation of a JPEG, PNG or WebP is applied and stated in `rotation_applied` (a mirrored one is also
    flipped). Of an animation, the first picture.

    Raises:
        TooLarge: more than max_bytes bytes.
        ImageTooLarge: more than max_pixels pixels, by its header: nothing was decoded.
        BadImage: not one of the four formats, or broken or cut off; or made of more parts than pictures have.
    """
    if len(image) > max_bytes:
        raise TooLarge(f"the image has {len(image)} bytes, more than the {max_bytes} allowed")
    header = read_header(image)
    if header.width * header.height > max_pixels:
        raise ImageTooLarge(
            f"the image is {header.width} x {header.height} pixels, more than the {max_pixels} allowed in all"
        )
    rgb = decode_jpeg(image) if header.kind == "jpeg" else _decode_other(image, header)
    if rgb.shape[:2] != (header.height, header.width):
        raise BadImage(f"the {header.kind.upper()} header and its pixels differ in size")
    return Frame(header.orientation.apply(rgb), rotation_applied=header.orientation.turn)


def _decode_other(image: bytes, header: ImageHeader) -> Array:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    if header.kind == "png":
        image = pixels_only(image)
    try:
        rgb: Array | None = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    except cv2.error as error:
        raise BadImage(f"a broken {header.kind.upper()}: {error.err}") from error
    if rgb is None:
        raise BadImage(f"a broken or cut off {header.kind.upper()} image")
    return rgb
