"""JPEG files with the oddities that cameras give them."""

import struct
from collections.abc import Callable

import numpy as np
import simplejpeg

from model.values import Array
from service.media import jpeg


def jpeg_of(rgb: Array, quality: int = 90) -> bytes:
    """An ordinary one, with colour at half the resolution."""
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality)
    return data


def with_spectral_end(image: bytes, end: int) -> bytes:
    """A sequential scan that says that it holds the coefficients up to this one; it always holds all."""
    return _changed(image, jpeg.START_OF_SCAN, lambda body: body[: 3 + 2 * body[2]] + bytes((0, end, 0)))


def with_jfif_revision(image: bytes, major: int) -> bytes:
    """Another revision of JFIF."""
    return _changed(image, jpeg.APP0, lambda body: body[:7] + bytes((major,)) + body[8:])


def with_adobe_transform(image: bytes, transform: int) -> bytes:
    """An Adobe segment that tells of a colour transform, known or not."""
    body = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)
    return image[:2] + b"\xff\xee" + struct.pack(">H", len(body) + 2) + body + image[2:]


def with_padding(image: bytes, padding: bytes = b"\0\0\0") -> bytes:
    """Bytes between the data and the end mark."""
    return image[:-2] + padding + image[-2:]


def with_sampling(image: bytes, *factors: int) -> bytes:
    """The same data under other sampling factors, 0x21 for 2 x 1: sound where they give as many blocks a unit."""

    def changed(body: bytes) -> bytes:
        table = bytearray(body)
        for place, factor in enumerate(factors):
            table[9 + 3 * place] = factor
        return bytes(table)

    return _changed(image, 0xC0, changed)


def with_scans(image: bytes, count: int) -> bytes:
    """A progressive JPEG with its last scan repeated."""
    *_, (marker, start, end) = (segment for segment in jpeg.segments(image) if segment[0] == jpeg.START_OF_SCAN)
    scan = image[start - 2 : end]
    assert marker == jpeg.START_OF_SCAN
    return image[:end] + scan * count + image[end:]


def _changed(image: bytes, marker: int, change: Callable[[bytes], bytes]) -> bytes:
    """The file with another content of its first segment of this kind."""
    start = next(start for found, start, _ in jpeg.segments(image) if found == marker)
    length = int.from_bytes(image[start : start + 2], "big")
    return image[:start] + change(image[start : start + length]) + image[start + length :]
