"""A clip whose clock does not begin at 0: a segment of a longer recording, or recordings joined.

Matroska and ASF declare where a clip ends, and a segment that starts at 1 h 30 was refused as 5,401 s long; a transport
stream joined from two days as 86,455 s.
Source: https://github.com/mbunkus/mkvtoolnix/issues/1847 (a part that was split off declares the end of the whole) and
https://github.com/MediaArea/MediaInfoLib/issues/648.
Right: a clip is as long as what is in it. Times begin at 0 with the first frame, `start_us` tells where the clip's
clock stood, an overlay begins at 0.
"""

import subprocess
from pathlib import Path

import av
import pytest

from service.errors import ClipTooLong
from service.media.limits import ClipLimits
from service.media.overlay import render_overlay
from service.media.video import Video, open_video
from tests.service.media.test_overlay import result_of
from tests.support.clips import make_clip

HOUR_AND_A_HALF_US = 5_400_000_000
LIMITS = ClipLimits(seconds=10.0)
ENCODERS = {"webm": "libvpx", "wmv": "wmv2", "flv": "flv", "mpg": "mpeg2video", "ogg": "libtheora"}


def shifted(path: Path, seconds: float) -> Path:
    """Ten pictures, 25 a second, on a clock that starts so late; the container is that of the path's ending."""
    plain = make_clip(path.with_name("plain.mp4"))
    how = ["-c:v", ENCODERS.get(path.suffix[1:], "copy"), "-output_ts_offset", str(seconds)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(plain), *how, str(path)], check=True)
    return path


def read(path: Path) -> tuple[Video, list[int | None]]:
    """The clip, read to its end, and the times of its frames."""
    with open_video(path, LIMITS) as video:
        return video, [frame.pts_us for frame in video]


@pytest.mark.parametrize("container", ["mkv", "webm", "wmv", "ts", "mp4", "mov", "flv", "mpg", "ogg"])
def test_a_segment_of_a_long_recording_is_as_long_as_it_is(tmp_path: Path, container: str) -> None:
    """Hours on its clock are not its length, in any container."""
    video, times = read(shifted(tmp_path / f"late.{container}", 5400))

    assert times == pytest.approx([40_000 * index for index in range(10)], abs=500)
    assert video.duration_us is not None
    assert video.duration_us <= 400_500
    assert video.start_us is not None
    assert video.start_us >= HOUR_AND_A_HALF_US


@pytest.mark.parametrize("seconds", [86_400, 0, 0.4])
@pytest.mark.parametrize("far_first", [True, False])
def test_joined_recordings_follow_on_each_other(tmp_path: Path, seconds: float, far_first: bool) -> None:
    """Whether a day lies between their clocks, in either direction, nothing, or just what should: 0.8 s."""
    parts = [shifted(tmp_path / "far.ts", seconds), shifted(tmp_path / "near.ts", 0)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in (parts if far_first else reversed(parts))))

    video, times = read(joined)

    assert times == pytest.approx([40_000 * index for index in range(20)], abs=500)
    assert video.gaps == ()


def test_the_overlay_of_a_late_clip_begins_at_0(tmp_path: Path) -> None:
    """No player shows an hour and a half of nothing."""
    late, out = shifted(tmp_path / "late.ts", 5400), tmp_path / "out.mp4"

    render_overlay(late, [result_of(None)] * 10, out, LIMITS)

    with av.open(str(out)) as container:
        assert container.start_time == 0
        assert container.duration == pytest.approx(400_000, abs=50_000)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "avi"])
def test_a_clip_that_is_too_long_is_refused_before_it_is_decoded(tmp_path: Path, container: str) -> None:
    """Where its header says so and its packets agree: nobody waits for an hour's frames first."""
    path = make_clip(tmp_path / f"clip.{container}", "mpeg4" if container == "avi" else "libx264", count=50)

    with pytest.raises(ClipTooLong, match=r"1\.\d s"), open_video(path, ClipLimits(seconds=1.0)):
        pass


def test_a_header_that_exaggerates_is_not_believed(tmp_path: Path) -> None:
    """Ten pictures stay ten, whatever duration stands in the file."""
    path = make_clip(tmp_path / "clip.mkv")
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes, in milliseconds
    data[place : place + 8] = b"\x41\x8d\xcd\x65\x00\x00\x00\x00"  # 62.5 million
    path.write_bytes(data)

    video, times = read(path)

    assert len(times) == 10
    assert video.duration_us == 400_000
