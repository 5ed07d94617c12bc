"""Small inputs that ask for much: what somebody sends who means to stop a server."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tests.support.clips import make_clip
from tests.support.jpegs import with_scans
from tests.support.pictures import encoded, smooth_picture

SAMPLES = 50_000_000
BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def boxes(data: bytes | bytearray, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Kind and place of all boxes of an MP4 that lie between."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start
        if kind in BOXES:
            yield from boxes(data, start + 8, start + length)
        start += length


def make_bomb(path: Path) -> Path:
    """An MP4 of one picture that declares 50 million of one byte each, all in one chunk."""
    data = bytearray(make_clip(path, count=1).read_bytes())
    tables = {b"stsz": (1, SAMPLES), b"stts": (1, SAMPLES, 1), b"stsc": (1, 1, SAMPLES, 1)}
    for kind, start in list(boxes(data, 0, len(data))):
        if kind in tables:
            struct.pack_into(f">{len(tables[kind])}I", data, start + 12, *tables[kind])
    path.write_bytes(data)
    return path


def strip(width: int, height: int) -> bytes:
    """A PNG of another shape than any camera's."""
    return encoded(np.full((height, width, 3), 128, np.uint8))


def announced_png(side: int) -> bytes:
    """A PNG's first bytes, which announce side x side pixels; they never come."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG of so many scans."""
    return with_scans(encoded(smooth_picture(640, 360), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), count)


def long_gif(frames: int, side: int = 320) -> bytes:
    """A GIF of side x side pixels and of so many pictures, each of which changes one pixel: 24 bytes a picture."""
    screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes((0, 0, 0, 255, 255, 255))
    pause = b"\x21\xf9\x04\x00" + struct.pack("<H", 4) + b"\x00\x00"
    pixel = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return screen + (pause + pixel) * frames + b"\x3b"
