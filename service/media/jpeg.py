"""JPEG files: what libjpeg warns of, told apart into what harms a picture and what does not.

libjpeg decodes on after any warning, and tells the first one only. Harmless ones are therefore mended and the file is
decoded again, until nothing is said any more; where bytes stand between the data and its end, it is made sure that
no part of the picture came from behind the data.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import simplejpeg

from model.values import Array
from service.errors import BadImage

SIGNATURE: Final = b"\xff\xd8"
MOST_SCANS: Final = 32
"""Encoders use 10 to 14. Each scan passes over the whole picture, and may be a few bytes long."""

ODD_SAMPLING: Final = "Could not determine subsampling"
"""TurboJPEG names six ways of sampling colour; libjpeg decodes any."""
STRAY_BYTES: Final = "extraneous bytes"
NO_END: Final = "Premature end of JPEG file"

SCAN_END: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
RESTART: Final = re.compile(rb"(?=\xff[\xd0-\xd7])")
BARE_MARKERS: Final = {0x01, *range(0xD0, 0xD9)}
FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
SEQUENTIAL: Final = {0xC0, 0xC1, 0xC9}
START_OF_SCAN, END_OF_IMAGE, APP0, APP14 = 0xDA, 0xD9, 0xE0, 0xEE
PROBE: Final = bytes.fromhex("b6d5ad6bdab5") * 16
"""Data that is none: a decoder that wants more than there is takes it, and shows something else than with zeros."""


def decode(image: bytes) -> Array:
    """The stored pixels, uint8 [H, W, 3]. CMYK becomes RGB, grey gets three channels.

    Raises:
        BadImage: more than MOST_SCANS scans, told before they are decoded; or pixels are missing.
    """
    scans = sum(marker == START_OF_SCAN for marker, _, _ in segments(image))
    if scans > MOST_SCANS:
        raise BadImage(f"the JPEG has {scans} scans, more than the {MOST_SCANS} allowed")
    try:
        return _by_turbo(image)
    except BadImage:
        return _decode_unusual(image)


def _decode_unusual(image: bytes) -> Array:
    mended = with_usual_header(image)
    said = complaint(mended)
    if said is None:
        return _by_turbo(mended)
    if ODD_SAMPLING in said:
        return _by_libjpeg(mended)
    stray = STRAY_BYTES in said and _restarts_in_order(mended)
    if not stray and not (NO_END in said and _is_whole_scan(mended)):
        raise BadImage(f"a broken JPEG: {said}")
    rgb = _by_turbo(mended, strict=False)
    if not np.array_equal(rgb, _by_turbo(_with_probes(mended), strict=False)):
        raise BadImage("a broken JPEG: it breaks off before its picture does")
    return rgb


def complaint(image: bytes) -> str | None:
    """The first thing that libjpeg has to say of a file, in its own words; None: nothing. Decodes it small."""
    try:
        simplejpeg.decode_jpeg(image, colorspace="GRAY", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return str(error)
    return None


def _by_turbo(image: bytes, *, strict: bool = True) -> Array:
    try:
        rgb: Array = simplejpeg.decode_jpeg(image, colorspace="RGB", strict=strict)
    except ValueError as error:
        raise BadImage(f"a broken JPEG: {error}") from error
    return rgb


def _by_libjpeg(image: bytes) -> Array:
    """By OpenCV, which tells nothing of warnings, but gives no picture where the file ends too early."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    rgb: Array | None = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    if rgb is None:
        raise BadImage("a broken or cut off JPEG")
    return rgb


# -- structure --------------------------------------------------------------------------------------------


def segments(image: bytes, *, header_only: bool = False) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte after the marker, end) of each segment, as libjpeg finds them, up to the end of the file.

    A scan's data belongs to its segment. `header_only`: the segments before the first scan.
    """
    at = 2
    while (at := image.find(b"\xff", at)) >= 0 and at + 1 < len(image):
        marker = image[at + 1]
        if marker in (0x00, 0xFF):
            at += 1
            continue
        start = at + 2
        if marker == END_OF_IMAGE:
            yield marker, start, start
            return
        if marker == START_OF_SCAN and header_only:
            return
        length = 0 if marker in BARE_MARKERS else max(2, int.from_bytes(image[start : start + 2], "big"))
        at = start + length
        if marker == START_OF_SCAN:
            found = SCAN_END.search(image, at)
            at = found.start() if found else len(image)
        yield marker, start, min(at, len(image))


def size_of(image: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header; None where there is none before the first scan."""
    for marker, start, end in segments(image, header_only=True):
        if marker in FRAMES and end - start >= 8:
            height, width = struct.unpack_from(">HH", image, start + 3)
            return width, height
    return None


def with_usual_header(image: bytes) -> bytes:
    """The same picture with what libjpeg only wonders at as it should be; bytes between segments are left out.

    A sequential scan's spectral range, which says nothing there; a JFIF revision; an Adobe colour transform, for
    which libjpeg takes the usual one.
    """
    parts = [image[:2]]
    sequential, components = True, 3
    for marker, start, end in segments(image):
        body = bytearray(image[start:end])
        if marker in FRAMES and len(body) >= 8:
            sequential, components = marker in SEQUENTIAL, body[7]
        elif marker == START_OF_SCAN and sequential and len(body) >= 3:
            spectral = 3 + 2 * body[2]
            body[spectral : spectral + 3] = b"\x00\x3f\x00"[: max(0, len(body) - spectral)]
        elif marker == APP0 and body[2:7] == b"JFIF\0" and len(body) >= 8:
            body[7] = 1
        elif marker == APP14 and body[2:7] == b"Adobe" and len(body) >= 14 and body[13] > 2:
            body[13] = 2 if components == 4 else 1
        parts += [bytes((0xFF, marker)), bytes(body)]
    return b"".join(parts)


def _with_probes(image: bytes) -> bytes:
    """The file with bytes of no meaning at the end of each run of picture data."""
    parts = [image[:2]]
    for marker, start, end in segments(image):
        body = image[start:end]
        if marker == START_OF_SCAN:
            header = int.from_bytes(body[:2], "big")
            body = body[:header] + PROBE.join(RESTART.split(body[header:])) + PROBE
        parts += [bytes((0xFF, marker)), body]
    return b"".join(parts)


def _restarts_in_order(image: bytes) -> bool:
    """False where restart markers are missing: they count from 0 to 7 and begin anew, in each scan."""
    for marker, start, end in segments(image):
        if marker == START_OF_SCAN:
            found = [piece[1] & 7 for piece in RESTART.split(image[start:end])[1:]]
            if any(number != place % 8 for place, number in enumerate(found)):
                return False
    return True


def _is_whole_scan(image: bytes) -> bool:
    """True where one sequential scan has all components: then nothing more can have been meant to come."""
    components, scans = 0, 0
    for marker, start, end in segments(image):
        if marker in FRAMES:
            if marker not in SEQUENTIAL or end - start < 8:
                return False
            components = image[start + 7]
        elif marker == START_OF_SCAN:
            scans += 1
            if end - start < 3 or image[start + 2] != components:
                return False
    return scans == 1
