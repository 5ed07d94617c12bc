"""What an image file says of itself in its first bytes: kind, size, orientation. No pixel is decoded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import simplejpeg

from service.errors import BadImage
from service.media.orientation import UPRIGHT, Orientation, from_exif

Kind = Literal["jpeg", "png", "webp", "bmp"]

ORIENTATION_TAG = 0x0112
SHORT = 3  # the TIFF field type of the orientation
PARAMETERLESS_MARKERS = {0x01, *range(0xD0, 0xD9)}
START_OF_SCAN = 0xDA
APP1 = 0xE1


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Width and height are those of the stored picture, before `orientation` is applied."""

    kind: Kind
    width: int
    height: int
    orientation: Orientation = UPRIGHT


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
    if image.startswith(b"\xff\xd8"):
        return _jpeg(image)
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageHeader("png", *struct.unpack_from(">II", image, 16))
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return ImageHeader("webp", *_webp_size(image))
    if image.startswith(b"BM"):
        return ImageHeader("bmp", *_bmp_size(image))
    return None


def _jpeg(image: bytes) -> ImageHeader:
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(image, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: a header so short that even the colour space is unset
        raise BadImage("a broken or cut off JPEG header") from error
    return ImageHeader("jpeg", width, height, _jpeg_orientation(image))


def _jpeg_orientation(image: bytes) -> Orientation:
    """Orientation from the EXIF segment; upright where there is none or a damaged one: the pixels count."""
    try:
        for marker, start, end in _jpeg_segments(image):
            if marker == APP1 and image[start : start + 6] == b"Exif\0\0":
                return from_exif(_tiff_orientation(image[start + 6 : end]))
    except (struct.error, IndexError):
        return UPRIGHT
    return UPRIGHT


def _jpeg_segments(image: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte, end) of each segment before the pixels."""
    at = 2
    while image[at] == 0xFF:
        marker = image[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in PARAMETERLESS_MARKERS:
            at += 2
        elif marker == START_OF_SCAN:
            return
        else:
            (length,) = struct.unpack_from(">H", image, at + 2)
            yield marker, at + 4, at + 2 + length
            at += 2 + length


def _tiff_orientation(block: bytes) -> int:
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
