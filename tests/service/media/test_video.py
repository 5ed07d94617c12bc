"""Clips to frames: codecs, times, rotation, limits, and files that are broken."""

import struct
import subprocess
from pathlib import Path

import av.logging
import numpy as np
import pytest

from model.values import Array, Frame
from service.errors import BadClip, ClipTooLong, FrameSizeChanged, ImageTooLarge, UnsupportedMedia
from service.media.limits import NO_LIMIT_ON_TIME, ClipLimits
from service.media.timestamps import FARTHEST_US
from service.media.video import open_video
from tests.support.clips import cut, make_clip, make_cut_off, make_sound, scene
from tests.support.pictures import encoded, smooth_picture

RED = np.array([230, 20, 20])


def read(path: Path) -> list[Frame]:
    """All frames of a clip."""
    with open_video(path) as video:
        return list(video)


def read_until_broken(path: Path) -> tuple[list[Frame], str]:
    """The frames before the place where a clip breaks off, and what is said of it."""
    frames: list[Frame] = []
    with pytest.raises(BadClip) as caught, open_video(path, strict=True) as video:
        frames.extend(video)
    return frames, str(caught.value)


def red_corner(rgb: Array) -> str:
    """Where the red block of the scene is."""
    height, width = rgb.shape[:2]
    corners = {
        "top left": rgb[height // 6, width // 6],
        "top right": rgb[height // 6, -width // 6],
        "bottom left": rgb[-height // 6, width // 6],
        "bottom right": rgb[-height // 6, -width // 6],
    }
    return min(corners, key=lambda name: float(np.abs(corners[name] - RED.astype(float)).sum()))


CODECS = [
    ("clip.mp4", "libx264", "yuv420p", "h264"),
    ("clip.mkv", "libx264", "yuv420p", "h264"),
    ("clip.mov", "libx264", "yuv444p", "h264"),
    ("clip.mp4", "libx265", "yuv420p", "hevc"),
    ("ten-bit.mp4", "libx265", "yuv420p10le", "hevc"),
    ("clip.webm", "libvpx-vp9", "yuv420p", "vp9"),
    ("clip.mp4", "libsvtav1", "yuv420p", "av1"),
    ("ten-bit.webm", "libsvtav1", "yuv420p10le", "av1"),
    ("clip.avi", "mpeg4", "yuv420p", "mpeg4"),
    ("clip.avi", "mjpeg", "yuvj420p", "mjpeg"),
    ("clip.mov", "mjpeg", "yuvj420p", "mjpeg"),
]


@pytest.mark.parametrize(("name", "encoder", "pixels", "codec"), CODECS)
def test_a_clip_of_each_codec_gives_its_frames(
    tmp_path: Path, name: str, encoder: str, pixels: str, codec: str
) -> None:
    """Codec, count, size, times and pictures are those that went in."""
    path = make_clip(tmp_path / name, encoder, pixels=pixels)

    with open_video(path) as video:
        frames = list(video)

    assert video.codec == codec
    assert video.duration_us == 400_000
    assert [frame.pts_us for frame in frames] == [index * 40_000 for index in range(10)]
    for frame, went_in in zip(frames, scene(10), strict=True):
        assert frame.size == (64, 48)
        assert np.abs(frame.rgb.astype(int) - went_in).mean() < 12


def test_what_the_container_says_is_told(tmp_path: Path) -> None:
    """An MP4 declares its number of frames, a Matroska file does not."""
    with (
        open_video(make_clip(tmp_path / "clip.mp4")) as mp4,
        open_video(make_clip(tmp_path / "clip.mkv")) as mkv,
    ):
        assert (mp4.frames_declared, mkv.frames_declared) == (10, None)


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    """No row or column is lost or added."""
    path = make_clip(tmp_path / "odd.mp4", size=(65, 49), pixels="yuv444p")

    assert {frame.size for frame in read(path)} == {(65, 49)}


def test_a_variable_frame_rate_is_kept_and_begins_at_0(tmp_path: Path) -> None:
    """Times are the clip's own, never index over rate; where its clock stood is told beside them."""
    times = [120, 130, 210, 500, 501, 900]
    path = make_clip(tmp_path / "vfr.mkv", count=6, times_ms=times)

    with open_video(path) as video:
        frames = list(video)

    assert [frame.pts_us for frame in frames] == [(time - 120) * 1000 for time in times]
    assert video.start_us == 120_000


def test_a_raw_stream_without_times_gets_some(tmp_path: Path) -> None:
    """Raw H.264 has no times: frames are counted at its rate."""
    path = make_clip(tmp_path / "raw.h264")

    assert [frame.pts_us for frame in read(path)] == [index * 40_000 for index in range(10)]


# Degrees counter-clockwise, then flips, as a container says it; degrees clockwise, and where the block ends.
TURNS = [
    ((0.0, False, False), 0, "top left", (64, 48)),
    ((-90.0, False, False), 90, "top right", (48, 64)),
    ((180.0, False, False), 180, "bottom right", (64, 48)),
    ((90.0, False, False), 270, "bottom left", (48, 64)),
    ((0.0, True, False), 0, "top right", (64, 48)),
    ((0.0, False, True), 180, "bottom left", (64, 48)),
]


@pytest.mark.parametrize(("turn", "applied", "corner", "size"), TURNS)
def test_the_display_matrix_is_applied_and_told(
    tmp_path: Path, turn: tuple[float, bool, bool], applied: int, corner: str, size: tuple[int, int]
) -> None:
    """Frames are upright, and say how far they were turned clockwise."""
    path = make_clip(tmp_path / "turned.mp4", turn=turn)

    with open_video(path) as video:
        frames = list(video)

    assert video.rotation == applied
    assert video.size == size
    assert {frame.size for frame in frames} == {size}
    assert {frame.rotation_applied for frame in frames} == {applied}
    assert {red_corner(frame.rgb) for frame in frames} == {corner}


@pytest.mark.parametrize("turn", [(-90.0, False, False), (90.0, True, False), (90.0, False, True)])
def test_turning_agrees_with_ffmpeg(tmp_path: Path, turn: tuple[float, bool, bool]) -> None:
    """The ffmpeg program, which turns pictures on its own, shows the same."""
    path = make_clip(tmp_path / "turned.mp4", turn=turn, count=1)
    [frame] = read(path)

    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    shown = subprocess.run(command, capture_output=True, check=True).stdout

    theirs = np.frombuffer(shown, np.uint8).reshape(frame.rgb.shape)
    assert red_corner(theirs) == red_corner(frame.rgb)
    assert np.abs(theirs.astype(int) - frame.rgb).mean() < 3


def test_a_clip_that_breaks_off_gives_what_it_had(tmp_path: Path) -> None:
    """The frames before the break are as in the whole clip; then the error."""
    path = make_cut_off(tmp_path)
    whole = read(tmp_path / "whole.mp4")

    frames, _ = read_until_broken(path)

    assert 20 < len(frames) < len(whole)
    for mine, theirs in zip(frames, whole, strict=False):
        assert np.array_equal(mine.rgb, theirs.rgb)
        assert mine.pts_us == theirs.pts_us


@pytest.mark.parametrize(
    ("name", "encoder", "pixels"),
    [
        ("clip.mkv", "libx264", "yuv420p"),
        ("clip.avi", "mpeg4", "yuv420p"),
        ("clip.avi", "mjpeg", "yuvj420p"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_other_containers_tell_a_cut_too(tmp_path: Path, name: str, encoder: str, pixels: str) -> None:
    """Demuxers that end quietly at the end of a file do not hide that most of it is missing."""
    path = make_clip(tmp_path / name, encoder, pixels=pixels, count=100)

    frames, _ = read_until_broken(cut(path, 0.6))

    assert len(frames) < 85


def test_a_cut_between_two_pictures_is_noticed(tmp_path: Path) -> None:
    """No packet is damaged then: the MP4's own index tells what is missing."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 48, 64, 3), np.uint8)
    path = make_clip(tmp_path / "clip.mp4", "mjpeg", pixels="yuvj420p", pictures=list(noise), quality={"threads": "2"})
    moved = make_clip(
        tmp_path / "fast.mp4",
        "mjpeg",
        pixels="yuvj420p",
        pictures=list(noise),
        container={"movflags": "faststart"},
    )
    last = moved.read_bytes().rindex(b"\xff\xd8\xff")
    moved.write_bytes(moved.read_bytes()[:last])

    frames, message = read_until_broken(moved)

    assert len(frames) == len(read(path)) - 1
    assert "5 of 6" in message


def test_damage_in_the_middle_ends_a_strict_reading_there(tmp_path: Path) -> None:
    """Bytes gone bad, not missing: no frame after them is passed off as good."""
    noise = np.random.default_rng(0).integers(0, 255, (9, 48, 64, 3), np.uint8)
    path = make_clip(tmp_path / "clip.avi", "mjpeg", pixels="yuvj420p", pictures=list(noise), quality={"threads": "2"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)

    frames, _ = read_until_broken(path)

    assert 0 < len(frames) < 9


def test_an_mp4_without_its_index_cannot_be_opened(tmp_path: Path) -> None:
    """The moov atom, at the end of a plain MP4, is what a broken recording lacks."""
    path = cut(make_clip(tmp_path / "clip.mp4"), 0.3)

    with pytest.raises(BadClip), open_video(path):
        pass


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, np.random.default_rng(1).bytes(5000), b"<html>" * 900])
def test_what_is_no_clip_cannot_be_opened(tmp_path: Path, content: bytes) -> None:
    """Nothing, zeros, noise, text."""
    path = tmp_path / "upload"
    path.write_bytes(content)

    with pytest.raises((BadClip, UnsupportedMedia)), open_video(path):
        pass


def test_sound_alone_is_unsupported(tmp_path: Path) -> None:
    """The message says what the file holds."""
    with (
        pytest.raises(UnsupportedMedia, match=r"no video stream.*audio"),
        open_video(make_sound(tmp_path / "a.mp4")),
    ):
        pass


def test_the_cover_of_a_piece_of_music_is_no_clip(tmp_path: Path) -> None:
    """Containers call an attached picture a video stream; it is none."""
    sound, cover, music = make_sound(tmp_path / "a.mp4"), tmp_path / "cover.png", tmp_path / "music.m4a"
    cover.write_bytes(encoded(smooth_picture()))
    inputs = ["-i", str(sound), "-i", str(cover)]
    how = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *how, str(music)], check=True)

    with pytest.raises(UnsupportedMedia, match="no video stream"), open_video(music):
        pass


def test_a_codec_without_decoder_is_named(tmp_path: Path) -> None:
    """The sender learns which codec it was."""
    path = make_clip(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))

    with pytest.raises(UnsupportedMedia, match="zzzz"), open_video(path):
        pass


@pytest.mark.parametrize("name", ["list.m3u8", "upload"])
def test_a_playlist_cannot_reach_other_files(tmp_path: Path, name: str) -> None:
    """HLS names other files of the server's disk: refused, whatever the file is called."""
    other = make_clip(tmp_path / "clip.ts")
    path = tmp_path / name
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{other}\n#EXT-X-ENDLIST\n")

    with pytest.raises((UnsupportedMedia, BadClip)), open_video(path):
        pass


def test_a_clip_that_declares_too_much_time_is_refused_at_once(tmp_path: Path) -> None:
    """The header is enough."""
    path = make_clip(tmp_path / "clip.mp4", count=50)

    with pytest.raises(ClipTooLong), open_video(path, ClipLimits(seconds=1.9)):
        pass


def test_a_clip_that_runs_on_for_too_long_is_stopped(tmp_path: Path) -> None:
    """A raw stream declares no duration: the frames' own times count."""
    path = make_clip(tmp_path / "raw.h264", count=50)
    frames: list[Frame] = []

    with open_video(path, ClipLimits(seconds=1.0)) as video, pytest.raises(ClipTooLong):
        frames.extend(video)

    assert len(frames) == 26


def test_the_limit_on_time_does_not_count_a_late_start(tmp_path: Path) -> None:
    """A clip that starts at an hour and lasts a moment is a short one."""
    path = make_clip(tmp_path / "late.ts", count=5, times_ms=[3_600_000 + 40 * index for index in range(5)])

    with open_video(path, ClipLimits(seconds=10.0)) as video:
        assert len(list(video)) == 5


def test_pictures_above_the_limit_are_refused(tmp_path: Path) -> None:
    """The limit on pixels is that of single images."""
    path = make_clip(tmp_path / "clip.mp4")

    with pytest.raises(ImageTooLarge, match="64 x 48"), open_video(path, ClipLimits(pixels=64 * 48 - 1)):
        pass


def test_a_picture_that_changes_its_size_ends_a_strict_reading(tmp_path: Path) -> None:
    """The frames before are given, then the error."""
    small = make_clip(tmp_path / "small.h264", count=5)
    large = make_clip(tmp_path / "large.h264", count=5, size=(96, 64))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    frames: list[Frame] = []

    with open_video(joined, strict=True) as video, pytest.raises(FrameSizeChanged, match="64 x 48 to 96 x 64"):
        frames.extend(video)

    assert len(frames) == 5


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    """The command line tells it from a broken clip."""
    with pytest.raises(FileNotFoundError), open_video(tmp_path / "nothing.mp4"):
        pass


@pytest.mark.parametrize("container", ["avi", "mp4", "mkv"])
def test_a_title_in_another_encoding_does_not_matter(tmp_path: Path, container: str) -> None:
    """Old cameras and editors write Latin-1; such a clip made its reading process end."""
    path = make_clip(tmp_path / f"clip.{container}", "mpeg4", count=3, title="Gymnastik auf dem Flur")
    path.write_bytes(path.read_bytes().replace(b"Gymnastik auf", b"Gymnastik \xfcbe"))

    with open_video(path) as video:
        assert len(list(video)) == 3


def test_what_ffmpeg_logs_of_an_error_does_not_matter(tmp_path: Path) -> None:
    """Where its log is on, as while a codec is looked up, its lines come with errors, also with the next clip's."""
    broken = cut(make_clip(tmp_path / "clip.mp4", count=2), 0.3)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with pytest.raises(BadClip, match="Invalid data"), open_video(broken):
            pass
    finally:
        av.logging.set_level(level)


def test_a_length_and_a_start_that_no_clock_has_are_none(tmp_path: Path) -> None:
    """10^19 microseconds fit into no answer: the clip is read without them."""
    clip = make_clip(tmp_path / "clip.ivf", "libvpx", count=3)
    data = bytearray(clip.read_bytes())
    struct.pack_into("<II", data, 16, 1, 2_000_000_000)  # 63 years a tick
    struct.pack_into("<Q", data, 32 + 4, 2**40)
    clip.write_bytes(data)

    with open_video(clip, NO_LIMIT_ON_TIME) as video:
        assert video.duration_us is None or video.duration_us <= FARTHEST_US
        assert len(list(video)) >= 1
        assert video.start_us == 0
