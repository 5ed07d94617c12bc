"""A refusal names what it is about: the container, the encoding, the part of a form.

People send a playlist, a picture or an archive as a clip and read "unsupported" (ffmpeg-python issue 165, and the
like): the right answer says what it was.
"""

from pathlib import Path

import pytest

from service.errors import BadClip, UnsupportedMedia
from service.media.video import open_video

HEADS = {
    "HLS playlist": b"#EXTM3U\n#EXTINF:1,\na.ts\n",
    "GIF picture": b"GIF89a" + bytes(200),
    "PNG picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(200),
    "ZIP archive": b"PK\x03\x04" + bytes(200),
    "PDF": b"%PDF-1.7\n" + bytes(200),
    "FLAC": b"fLaC\0\0\0\x22" + bytes(200),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_file_that_is_no_clip_is_named(kind: str, tmp_path: Path) -> None:
    """By its first bytes."""
    path = tmp_path / "file"
    path.write_bytes(HEADS[kind])
    with pytest.raises(UnsupportedMedia, match=kind), open_video(path):
        pass


def test_a_file_of_which_nobody_knows_what_it_is_stays_a_bad_clip(tmp_path: Path) -> None:
    """Nothing is made up."""
    path = tmp_path / "file"
    path.write_bytes(b"nothing that anybody knows" * 10)
    with pytest.raises(BadClip), open_video(path):
        pass
