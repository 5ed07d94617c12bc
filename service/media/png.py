"""PNG files as chunks: what is needed of them, and nothing that unpacks to more than it is."""

import struct
from collections.abc import Iterator
from typing import Final

from service.errors import BadImage

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS: Final = 65_536
NEEDED: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
CHUNK_FRAME: Final = 12  # length, type and checksum


def chunks(image: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte, end) of each chunk's data, up to where the file breaks off.

    Raises:
        BadImage: more than MOST_CHUNKS chunks.
    """
    at = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at + CHUNK_FRAME > len(image):
            return
        (length,) = struct.unpack_from(">I", image, at)
        end = at + 8 + length
        if end + 4 > len(image):
            return
        yield image[at + 4 : at + 8], at + 8, end
        at = end + 4
    raise BadImage(f"the PNG has more than {MOST_CHUNKS} chunks")


def pixels_only(image: bytes) -> bytes:
    """The file without texts, profiles and further pictures, which may unpack to a thousand times their size.

    What follows a place where the file breaks off stays: the decoder tells. Raises BadImage as `chunks`.
    """
    parts, at, left_out = [image[: len(SIGNATURE)]], len(SIGNATURE), False
    for kind, start, end in chunks(image):
        if kind in NEEDED:
            parts.append(image[start - 8 : end + 4])
        else:
            left_out = True
        at = end + 4
    return b"".join([*parts, image[at:]]) if left_out else image
