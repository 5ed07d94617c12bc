"""A file holds several video streams: a thumbnail or a preview beside the film.

Source: https://github.com/immich-app/immich/pull/11603 and https://github.com/mpv-player/mpv/pull/15345: a camera
writes a thumbnail stream before the video, and whoever takes the first stream reads one small picture.
Right: the default stream, else the largest; attached pictures and timed thumbnails never.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.errors import UnsupportedMedia
from service.media.video import open_video
from tests.support.clips import make_clip

FILM, PREVIEW = (96, 72), (48, 36)


def joined(path: Path, clips: Sequence[Path], *how: str) -> Path:
    """One file with the streams of all clips, in this order."""
    inputs = [part for clip in clips for part in ("-i", str(clip))]
    maps = [part for number in range(len(clips)) for part in ("-map", str(number))]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *maps, "-c", "copy", *how, str(path)], check=True)
    return path


def read(path: Path) -> tuple[tuple[int, int], int]:
    """Size and number of the pictures that are read."""
    with open_video(path) as video:
        return video.size, len(list(video))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten pictures."""
    return make_clip(tmp_path / "film.mp4", size=FILM)


@pytest.fixture
def thumbnail(tmp_path: Path) -> Path:
    """One small JPEG, as a stream."""
    return make_clip(tmp_path / "thumbnail.mp4", "mjpeg", pixels="yuvj420p", size=PREVIEW, count=1)


@pytest.fixture
def preview(tmp_path: Path) -> Path:
    """The film again, small."""
    return make_clip(tmp_path / "preview.mp4", size=PREVIEW)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_a_thumbnail_before_the_film_is_passed_over(
    tmp_path: Path, thumbnail: Path, film: Path, container: str
) -> None:
    """By its mark, whatever the container calls it."""
    how = ["-disposition:v:0", "0", "-disposition:v:1", "default"]

    assert read(joined(tmp_path / f"both.{container}", [thumbnail, film], *how)) == (FILM, 10)


@pytest.mark.parametrize("disposition", ["0", "default"])
@pytest.mark.parametrize("film_first", [True, False])
def test_of_streams_marked_alike_the_largest_is_read(
    tmp_path: Path, preview: Path, film: Path, disposition: str, film_first: bool
) -> None:
    """A preview is smaller, wherever it stands."""
    clips = [film, preview] if film_first else [preview, film]
    how = ["-disposition:v:0", disposition, "-disposition:v:1", disposition]

    assert read(joined(tmp_path / "both.mkv", clips, *how)) == (FILM, 10)


def test_a_transport_stream_without_marks_gives_its_largest_stream(tmp_path: Path, preview: Path, film: Path) -> None:
    """Two programmes of a multiplex."""
    assert read(joined(tmp_path / "both.ts", [preview, film])) == (FILM, 10)


def test_the_default_stream_wins_over_a_larger_one(tmp_path: Path, preview: Path, film: Path) -> None:
    """Its maker said so."""
    how = ["-disposition:v:0", "0", "-disposition:v:1", "default"]

    assert read(joined(tmp_path / "both.mkv", [film, preview], *how)) == (PREVIEW, 10)


def test_a_cover_is_never_read(tmp_path: Path, film: Path) -> None:
    """Not even one that is larger than the film."""
    cover = make_clip(tmp_path / "cover.mp4", "mjpeg", pixels="yuvj420p", size=(640, 480), count=1)
    how = ["-disposition:v:0", "attached_pic", "-disposition:v:1", "0"]

    assert read(joined(tmp_path / "both.mp4", [cover, film], *how)) == (FILM, 10)


def test_a_film_that_cannot_be_decoded_is_named_not_replaced(tmp_path: Path, thumbnail: Path, film: Path) -> None:
    """A preview in its place would be a wrong answer without a word."""
    path = joined(tmp_path / "both.mp4", [thumbnail, film], "-disposition:v:0", "0", "-disposition:v:1", "default")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))

    with pytest.raises(UnsupportedMedia, match="zzzz"), open_video(path):
        pass
