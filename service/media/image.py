"""Image files: what their first bytes say (kind, size, orientation), and their pixels as a Frame.

Blocking: the service calls it in threads.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from cv2.utils import logging

from model.values import Array, Frame
from service.errors import BadImage, ImageTooLarge, TooLarge
from service.media import jpeg, png
from service.media.orientation import UPRIGHT, Orientation, from_exif

# A broken picture is reported to its sender; OpenCV's own lines about it would only fill the server's log.
logging.setLogLevel(logging.LOG_LEVEL_SILENT)

Kind = Literal["jpeg", "png", "webp", "bmp"]

ORIENTATION_TAG = 0x0112
SHORT = 3  # the TIFF field type of the orientation
APP1 = 0xE1
EXIF_MARK = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Width and height are those of the stored picture, before `orientation` is applied."""

    kind: Kind
    width: int
    height: int
    orientation: Orientation = UPRIGHT


def checked_header(image: bytes, max_bytes: int, max_pixels: int) -> ImageHeader:
    """What the file says of itself, within limits: nothing is decoded.

    Raises:
        TooLarge: more than max_bytes bytes.
        ImageTooLarge: more than max_pixels pixels.
        BadImage: not a JPEG, PNG, WebP or BMP file, or broken or cut off in its header.
    """
    if len(image) > max_bytes:
        raise TooLarge(f"the image has {len(image)} bytes, more than the {max_bytes} allowed")
    header = read_header(image)
    if header.width * header.height > max_pixels:
        raise ImageTooLarge(
            f"the image is {header.width} x {header.height} pixels, more than the {max_pixels} allowed in all"
        )
    return header


def decode(image: bytes, header: ImageHeader) -> Frame:
    """The upright picture in a file whose header has been read.

    Grey pictures get three equal channels, CMYK JPEGs become RGB, transparency is left out, 16 bits become 8.
    The EXIF orientation of a JPEG, PNG or WebP is applied and stated in `rotation_applied` (a mirrored one is also
    flipped). Of an animation, the first picture.

    Raises:
        BadImage: broken or cut off; or made of more parts than pictures have.
    """
    rgb = jpeg.decode(image) if header.kind == "jpeg" else _decode_other(image, header)
    if rgb.shape[:2] != (header.height, header.width):
        raise BadImage(f"the {header.kind.upper()} header and its pixels differ in size")
    if header.orientation == UPRIGHT:
        return Frame(rgb)
    return Frame(header.orientation.apply(rgb), rotation_applied=header.orientation.turn)


def _decode_other(image: bytes, header: ImageHeader) -> Array:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    if header.kind == "png":
        image = png.pixels_only(image)
    try:
        rgb: Array | None = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    except cv2.error as error:
        raise BadImage(f"a broken {header.kind.upper()}: {error.err}") from error
    if rgb is None:
        raise BadImage(f"a broken or cut off {header.kind.upper()} image")
    return rgb


# -- headers: no pixel is decoded ---------------------------------------------------------------------------


def read_header(image: bytes) -> ImageHeader:
    """Kind, size and orientation of a JPEG, PNG, WebP or BMP file.

    Raises:
        BadImage: none of the four, or a header that is cut off or says a size below 1 x 1.
    """
    if not image:
        raise BadImage("the image is empty (0 bytes)")
    try:
        header = _read(image)
    except (struct.error, IndexError) as error:
        raise BadImage("the image breaks off in its header") from error
    if header is None:
        raise BadImage(f"not a JPEG, PNG, WebP or BMP image (it starts with {image[:8]!r})")
    if header.width < 1 or header.height < 1:
        raise BadImage(f"the image says that it is {header.width} x {header.height} pixels")
    return header


def _read(image: bytes) -> ImageHeader | None:
    if image.startswith(jpeg.SIGNATURE):
        return _jpeg(image)
    if image.startswith(png.SIGNATURE):
        width, height = struct.unpack_from(">II", image, 16)
        return ImageHeader("png", width, height, _orientation(_exif_of_png(image)))
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return ImageHeader("webp", *_webp_size(image), _orientation(_exif_of_webp(image)))
    if image.startswith(b"BM"):
        return ImageHeader("bmp", *_bmp_size(image))
    return None


def _jpeg(image: bytes) -> ImageHeader:
    size = jpeg.size_of(image)
    if size is None:
        raise BadImage("a broken or cut off JPEG header")
    return ImageHeader("jpeg", *size, _orientation(_exif_of_jpeg(image)))


def _exif_of_jpeg(image: bytes) -> Iterator[bytes]:
    for marker, start, end in jpeg.segments(image, header_only=True):
        if marker == APP1 and image[start + 2 : start + 8] == EXIF_MARK:
            yield image[start + 8 : end]


def _exif_of_png(image: bytes) -> Iterator[bytes]:
    return (image[start:end] for kind, start, end in png.chunks(image) if kind == b"eXIf")


def _exif_of_webp(image: bytes) -> Iterator[bytes]:
    """Of an extended file: only those hold more than their pixels."""
    at = 12 if image[12:16] == b"VP8X" else len(image)
    while at + 8 <= len(image):
        (length,) = struct.unpack_from("<I", image, at + 4)
        if image[at : at + 4] == b"EXIF":
            # Some writers put the mark of a JPEG's segment before it.
            yield image[at + 8 : at + 8 + length].removeprefix(EXIF_MARK)
        at += 8 + length + length % 2


def _orientation(blocks: Iterator[bytes]) -> Orientation:
    """From the first EXIF block; upright where there is none or a damaged one: the pixels count."""
    try:
        block = next(blocks, None)
        return UPRIGHT if block is None else from_exif(tiff_orientation(block))
    except (struct.error, IndexError):
        return UPRIGHT


def tiff_orientation(block: bytes) -> int:
    """Value of the orientation tag in the first directory of an EXIF block; 1 where it is not there."""
    order = "<" if block[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", block, 4)
    (entries,) = struct.unpack_from(order + "H", block, directory)
    for entry in range(entries):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", block, directory + 2 + 12 * entry)
        if tag == ORIENTATION_TAG and kind == SHORT:
            return int(value)
    return 1


def _webp_size(image: bytes) -> tuple[int, int]:
    """Canvas size from the first chunk, which is one of three kinds."""
    chunk = image[12:16]
    if chunk == b"VP8X":  # extended: two 24-bit numbers, each less 1
        return _uint24(image, 24) + 1, _uint24(image, 27) + 1
    if chunk == b"VP8L":  # lossless: two 14-bit numbers, each less 1, after a signature byte
        (bits,) = struct.unpack_from("<I", image, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", image, 26)  # lossy: the upper two bits ask for upscaling
    return width & 0x3FFF, height & 0x3FFF


def _uint24(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16


def _bmp_size(image: bytes) -> tuple[int, int]:
    (header_size,) = struct.unpack_from("<I", image, 14)
    if header_size == 12:  # the OS/2 header
        width, height = struct.unpack_from("<HH", image, 18)
    else:
        width, height = struct.unpack_from("<ii", image, 18)  # a negative height: rows from top to bottom
    return width, abs(height)
