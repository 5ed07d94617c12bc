"""PNG files as chunks: what is needed of them, and nothing that unpacks to more than it is."""

import struct
from collections.abc import Iterator
from typing import Final

from service.errors import BadImage

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS: Final = 65_536
END: Final = b"IEND"
NEEDED: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", END}
CHUNK_FRAME: Final = 12  # length, type and checksum


def chunks(image: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte, end) of each chunk's data, up to the last one or to where the file breaks off.

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
        kind = image[at + 4 : at + 8]
        yield kind, at + 8, end
        if kind == END:
            return
        at = end + 4
    raise BadImage(f"the PNG has more than {MOST_CHUNKS} chunks")


def pixels_only(image: bytes) -> bytes:
    """The file without texts, profiles and further pictures, which may unpack to a thousand times their size.

    Raises:
        BadImage: as `chunks`; or a chunk is longer than the file, or the last one is missing. OpenCV would make room
            for such a chunk first, up to 2 GB, and refuse the file then.
    """
    parts, kind = [image[: len(SIGNATURE)]], b""
    for kind, start, end in chunks(image):
        if kind in NEEDED:
            parts.append(image[start - 8 : end + 4])
    if kind != END:
        raise BadImage("a cut off PNG image")
    return b"".join(parts)
