"""Image files for tests, some of them broken on purpose."""

import struct
import zlib

import cv2
import numpy as np

from model.values import Array


def smooth_picture(width: int = 64, height: int = 48, seed: int = 0) -> Array:
    """RGB uint8 [H, W, 3] without sharp edges, so that lossy formats keep it; no two sides alike."""
    blobs = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), np.uint8)
    return cv2.resize(blobs, (width, height), interpolation=cv2.INTER_LINEAR)


def encoded(rgb: Array, extension: str = ".png", *parameters: int) -> bytes:
    """The picture as a file of this kind: .png, .jpg, .webp or .bmp."""
    done, data = cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), parameters)
    assert done
    return data.tobytes()


def with_exif_orientation(jpeg: bytes, value: int, order: str = "<") -> bytes:
    """The JPEG with an EXIF segment that holds the orientation tag, in either byte order."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tiff = mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png_bomb(side: int = 20_000) -> bytes:
    """A whole, valid PNG of some 50 kB that would decode to side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # one bit a pixel, grey
    rows = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
