"""Image files: headers, pixels, the structure of JPEGs, and several pictures decoded at once."""

import asyncio
import ctypes
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Final

import cv2
import numpy as np

from model.values import Array, Frame
from service.config import Settings
from service.errors import BadImage, ImageTooLarge, TooLarge
from service.inference.decoder import Decoder, Decoding
from service.media import jpeg, png
from service.media.image import ImageHeader, checked_header, decode
from service.media.orientation import from_display_matrix, from_exif
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest
from tests.support.jpegs import jpeg_of, with_adobe_transform, with_padding, with_sampling, with_spectral_end
from tests.support.pictures import encoded, smooth_picture, with_exif_orientation

MAX_BYTES: Final = 1 << 20
MAX_PIXELS: Final = 1 << 16
REFUSALS: Final = (BadImage, ImageTooLarge, TooLarge)
BETWEEN: Final = b"--next--"
M_PERTURB: Final = -6  # of glibc's mallopt

# -- headers ----------------------------------------------------------------------------------------------


def check_header(data: bytes) -> None:
    """Refused, or a size within limits."""
    header_of(data)


def header_of(data: bytes) -> ImageHeader | None:
    """The header of an image that is not refused."""
    try:
        header = checked_header(data, MAX_BYTES, MAX_PIXELS)
    except REFUSALS:
        return None
    assert min(header.width, header.height) >= 1, header
    assert header.width * header.height <= MAX_PIXELS, header
    assert header.orientation in map(from_exif, range(1, 9))
    return header


def check_display_matrix(data: bytes) -> None:
    """Nine numbers of any value turn a picture by quarters; the size is that of the picture that comes out."""
    matrix = struct.unpack("=9i", data[:36].ljust(36, b"\0"))
    orientation = from_display_matrix(matrix)
    assert orientation.turn in (0, 90, 180, 270)
    upright = orientation.apply(np.zeros((2, 3, 3), np.uint8))
    assert upright.shape[:2] == orientation.size(3, 2)[::-1]


# -- pixels -----------------------------------------------------------------------------------------------


def check_picture(data: bytes) -> None:
    """A broken picture is refused; else it has the size that its header says, and nothing else of the memory."""
    image = with_checksums(data)
    header = header_of(image)
    if header is None:
        return
    first, second = (over_memory_of(byte, lambda: decoded(image, header)) for byte in (0x55, 0xAA))
    assert (first is None) == (second is None), "it is refused once, and taken once"
    if first is not None and second is not None:
        assert first.size == header.orientation.size(header.width, header.height)
        assert np.array_equal(first.rgb, second.rgb), "some of its pixels are memory that nobody wrote to"


def check_jpeg(data: bytes) -> None:
    """As any picture; and its segments lie in the file, in order, and are mended once and for all."""
    image = jpeg.SIGNATURE + data.removeprefix(jpeg.SIGNATURE)
    at = 2
    for _, start, end in jpeg.segments(image):
        assert at < start <= end <= len(image), (at, start, end)
        at = end
    usual = jpeg.with_usual_header(image)
    assert jpeg.with_usual_header(usual) == usual
    check_picture(image)


def decoded(image: bytes, header: ImageHeader) -> Frame | None:
    """The picture; None where it is refused."""
    try:
        return decode(image, header)
    except BadImage:
        return None


def over_memory_of(byte: int, work: Callable[[], Frame | None]) -> Frame | None:
    """What comes out where memory that is asked for is full of this byte: all of it should be written over."""
    mallopt = getattr(_libc(), "mallopt", None)  # glibc's
    if mallopt is None:
        return work()
    mallopt(M_PERTURB, byte)
    try:
        return work()
    finally:
        mallopt(M_PERTURB, 0)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def with_checksums(image: bytes) -> bytes:
    """A PNG whose checksums are right, so that what is behind them is met."""
    if not image.startswith(png.SIGNATURE):
        return image
    mended, at = bytearray(image), len(png.SIGNATURE)
    while at + 12 <= len(image):
        end = at + 8 + int.from_bytes(image[at : at + 4], "big")
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(image[at + 4 : end])) if end + 4 <= len(image) else b""
        at = end + 4
    return bytes(mended[: len(image)])


# -- many at once -----------------------------------------------------------------------------------------


def check_decoder(data: bytes) -> None:
    """Frames decoded side by side, every third given up: each is refused or decoded, and all room is given back."""
    asyncio.run(_decode_all(data.split(BETWEEN)[:8]))


async def _decode_all(images: list[bytes]) -> None:
    settings = Settings(
        max_image_bytes=MAX_BYTES, max_image_pixels=MAX_PIXELS, max_decoded_pixels=2 * MAX_PIXELS, decode_threads=2
    )
    decoder = Decoder(settings, Metrics())
    blank = FrameRequest("s", 0, 7, b"", (), "http")
    try:
        for place, image in enumerate(images):
            with decoder.decoding(replace(blank, picture=image)) as decoding:
                if place % 3 < 2:
                    await _answered(decoding)
    finally:
        await decoder.aclose()
    await asyncio.sleep(0)  # What was given up is let go from a callback.
    assert decoder.budget.held == 0, decoder.budget.held


async def _answered(decoding: Decoding) -> None:
    with suppress(*REFUSALS):
        frame = await decoding.frame(None)
        assert frame.pts_us == 7


# -- seeds ------------------------------------------------------------------------------------------------


def pictures() -> list[bytes]:
    """Small files of each kind."""
    rgb = smooth_picture(24, 16)
    grey, ground = rgb[:, :, 0], cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
    progressive = encoded(rgb, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    return [
        *jpegs(),
        progressive,
        encoded(rgb),
        *(_written(array, ".png") for array in (grey, ground, grey.astype(np.uint16) * 257)),
        _written(grey, ".png", cv2.IMWRITE_PNG_BILEVEL, 1),
        encoded(rgb, ".webp", cv2.IMWRITE_WEBP_QUALITY, 50),
        encoded(rgb, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
        _written(ground, ".webp"),
        encoded(rgb, ".bmp"),
        _written(grey, ".bmp"),
    ]


def jpegs() -> list[bytes]:
    """With the oddities that cameras give them."""
    plain = jpeg_of(smooth_picture(24, 16), 60)
    restarts = encoded(smooth_picture(24, 16), ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    return [
        plain,
        restarts,
        with_exif_orientation(plain, 6),
        with_exif_orientation(plain, 5, ">"),
        with_adobe_transform(plain, 3),
        with_padding(plain),
        with_spectral_end(plain, 0),
        with_sampling(plain, 0x21, 0x11, 0x21),
        plain[:-2],
        plain[:-30],
    ]


def several() -> list[bytes]:
    """Files one after the other."""
    made = pictures()
    return [BETWEEN.join(made[at : at + 3]) for at in range(0, len(made), 3)]


def matrices() -> list[bytes]:
    """Of no turn, and of a quarter's."""
    one = 1 << 16
    return [
        struct.pack("=9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30),
        struct.pack("=9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30),
    ]


def _written(array: Array, extension: str, *parameters: int) -> bytes:
    done, data = cv2.imencode(extension, array, parameters)
    assert done
    return data.tobytes()
