"""What a file is that is read as no clip, by its first bytes: for the words of a refusal."""

from pathlib import Path
from typing import Final

HEAD_BYTES: Final = 512

# What comes first, and what it is called; those with a name at an offset are in `_AT`.
_FIRST: Final[tuple[tuple[bytes, str], ...]] = (
    (b"#EXTM3U", "HLS playlist"),
    (b"ffconcat", "concat list"),
    (b"v=0", "SDP"),
    (b"\x89PNG", "PNG picture"),
    (b"\xff\xd8\xff", "JPEG picture"),
    (b"GIF8", "GIF picture"),
    (b"BM", "BMP picture"),
    (b"II*\0", "TIFF picture"),
    (b"MM\0*", "TIFF picture"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"ID3", "MP3"),
    (b"fLaC", "FLAC"),
    (b".RMF", "RealMedia"),
    (b"\x06\x0e\x2b\x34", "MXF"),
    (b"#!AMR", "AMR"),
    (b"FWS", "Flash"),
    (b"CWS", "Flash"),
    (b"YUV4MPEG2", "YUV4MPEG2"),
    (b"<?xml", "XML"),
    (b"<html", "HTML"),
    (b"<!DOCTYPE", "HTML"),
    (b"{", "JSON"),
)
_AT: Final[tuple[tuple[int, bytes, str], ...]] = (
    (8, b"WAVE", "WAV"),
    (8, b"WEBP", "WebP picture"),
    (8, b"AIFF", "AIFF"),
    (4, b"ftypheic", "HEIF picture"),
    (4, b"ftypavif", "AVIF picture"),
    (257, b"ustar", "tar archive"),
)


def container_of(path: Path) -> str | None:
    """The kind of a file, by how it begins; None where that tells nothing."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for at, magic, name in _AT:
        if head.startswith(magic, at):
            return name
    return next((name for magic, name in _FIRST if head.lstrip().startswith(magic) or head.startswith(magic)), None)
