"""Drawings of clips that are not of the ordinary kind, and drawings that fail.

A time-lapse with pauses of minutes could not be written, and took the command line's joints with it; pixels that are
not square lost their form in the drawing, and the person was read as stretched as they are stored.
Source: https://github.com/streamyfin/streamyfin/issues/1785 and https://github.com/huceke/omxplayer/issues/3 (the form
of pixels is ignored).
Right: a drawing that fails never loses joints. Pauses are kept. The drawing has the pixels of the clip, 2:1 where the
clip has 2:1; joints are told in the clip's stored pixels, and the person is read in square ones.
"""

import json
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.tracker import Tracked, TrackRequest
from model.values import LostTrack, Pose, Region
from service.__main__ import main
from service.clips.local import LocalRun
from service.errors import OverlayFailed
from service.media.limits import NO_LIMIT_ON_TIME
from service.media.overlay import render_overlay
from service.media.video import open_video
from tests.service.clips.test_local import RecordingStepper, loaded
from tests.service.media.test_overlay import result_of, standing
from tests.support.clips import make_clip
from tests.support.weights import save_random_lite

MINUTES_MS = 60_000
SIX_HOURS_US = 6 * 3_600_000_000
WIDE = Fraction(2, 1)


def with_aspect(path: Path, aspect: Fraction, **how: object) -> Path:
    """A clip of 64 x 48 pixels of this width over height."""
    plain = make_clip(path.with_name(f"plain-{path.name}"), **how)  # type: ignore[arg-type]
    filters = ["-bsf:v", f"h264_metadata=sample_aspect_ratio={aspect.numerator}/{aspect.denominator}"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(plain), "-c", "copy", *filters, str(path)], check=True)
    return path


def times(path: Path) -> list[int | None]:
    """Times of a clip's frames."""
    with open_video(path, NO_LIMIT_ON_TIME) as video:
        return [frame.pts_us for frame in video]


@pytest.mark.parametrize("minutes", [1, 10, 90])
def test_the_pauses_of_a_time_lapse_are_kept(tmp_path: Path, minutes: int) -> None:
    """Five pictures with minutes between them, in the clip and in its drawing."""
    pauses = [index * minutes * MINUTES_MS for index in range(5)]
    clip, out = make_clip(tmp_path / "clip.mkv", count=5, times_ms=pauses), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(None)] * 5, out, NO_LIMIT_ON_TIME)

    assert times(clip) == times(out) == [pause * 1000 for pause in pauses]


def test_a_pause_beyond_what_an_mp4_holds_is_shortened(tmp_path: Path) -> None:
    """To six hours; the frames after it follow as they did."""
    late = 40 * 60 * MINUTES_MS
    clip, out = make_clip(tmp_path / "clip.mkv", count=3, times_ms=[0, late, late + 40]), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(None)] * 3, out, NO_LIMIT_ON_TIME)

    assert times(out) == [0, SIX_HOURS_US, SIX_HOURS_US + 40_000]


def test_frames_a_microsecond_apart_stay_in_order(tmp_path: Path) -> None:
    """An MP4's clock is coarser than that."""
    clip, out = make_clip(tmp_path / "clip.mkv", count=3, times_ms=[0, 1, 2]), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(None)] * 3, out)

    assert len(times(out)) == 3


@pytest.mark.parametrize("aspect", [WIDE, Fraction(1, 2), Fraction(16, 11), Fraction(1, 1)])
def test_the_drawing_has_the_pixels_of_the_clip(tmp_path: Path, aspect: Fraction) -> None:
    """Size and form of a pixel are the clip's own."""
    clip, out = with_aspect(tmp_path / "clip.mp4", aspect, count=2), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(None)] * 2, out)

    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.sample_aspect_ratio or 1) == (64, 48, aspect)


def test_joints_are_drawn_where_they_are_told(tmp_path: Path) -> None:
    """In stored pixels, also where those are not square: each of the left side's joints is blue there."""
    pose = standing()
    clip, out = with_aspect(tmp_path / "clip.mp4", WIDE, count=1, size=(200, 240)), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(pose)], out)

    with av.open(str(out)) as container:
        drawn = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    for name in ("left_shoulder", "left_elbow", "left_wrist", "left_knee", "left_ankle"):
        x, y = pose.xy_px[KINEPOSE_13.index(name)].round().astype(int)
        assert drawn[y, x, 2] - drawn[y, x, 0] > 60


class Watching(RecordingStepper):
    """Keeps the sizes of the frames that it is given, and finds a joint in the middle of each."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []
        self.regions: list[tuple[Region, ...]] = []

    def _answer(self, request: TrackRequest) -> Tracked | Exception:
        self.sizes.append(request.frame.size)
        self.regions.append(request.regions)
        answer = super()._answer(request)
        assert isinstance(answer, Tracked)
        width, height = request.frame.size
        middle = Pose(np.full((13, 2), ((width - 1) / 2, (height - 1) / 2), np.float32), np.ones(13, np.float32))
        person = replace(answer.people[0], pose=middle, region=Region(0, 0, width, height))
        lost = LostTrack(2, Region(-0.5, -0.5, width, height))
        return replace(answer, people=(person,), readings=(person,), lost=(lost,))


TURNED = (-90.0, False, False)


@pytest.mark.parametrize(
    ("aspect", "turn", "read_in", "told_in"),
    [
        (WIDE, None, (128, 48), (64, 48)),
        (Fraction(1, 2), None, (64, 96), (64, 48)),
        (WIDE, TURNED, (48, 128), (48, 64)),
        (Fraction(1), None, (64, 48), (64, 48)),
        (Fraction(100, 101), None, (64, 48), (64, 48)),  # hardly another form
        (Fraction(9, 1), None, (64, 48), (64, 48)),  # no pixel is like that
    ],
)
def test_the_person_is_read_in_square_pixels_and_told_in_stored_ones(
    tmp_path: Path,
    aspect: Fraction,
    turn: tuple[float, bool, bool] | None,
    read_in: tuple[int, int],
    told_in: tuple[int, int],
) -> None:
    """The region goes the one way, joints and region the other."""
    clip, stepper = with_aspect(tmp_path / "clip.mp4", aspect, count=2, turn=turn), Watching()
    width, height = told_in

    with open_video(clip) as video:
        run = LocalRun(loaded(stepper), video, (Region(-0.5, -0.5, width, height),))
        results = [result for _, result in run]

    assert stepper.sizes == [read_in] * 2
    assert stepper.regions == [(Region(-0.5, -0.5, *read_in),), ()]
    for result in results:
        assert result.image_size == told_in
        [person] = result.people
        assert person.pose.xy_px[0].tolist() == pytest.approx([(width - 1) / 2, (height - 1) / 2])
        assert (person.region.w, person.region.h) == pytest.approx(told_in)
        assert result.lost == (LostTrack(2, Region(-0.5, -0.5, *told_in)),)
    assert run.info.pixel_aspect == pytest.approx(read_in[0] / width * height / read_in[1])


def with_sound(path: Path, sound: str, seconds: float = 2) -> Path:
    """A test card with a tone from its first picture to its last."""
    card, tone = f"testsrc=size=160x120:rate=25:duration={seconds}", f"sine=frequency=440:duration={seconds}"
    kinds = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", sound]
    inputs = ["-f", "lavfi", "-i", card, "-f", "lavfi", "-i", tone]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *kinds, str(path)], check=True)
    return path


def sound_of(path: Path) -> tuple[str, float]:
    """Codec of a file's sound, and how many seconds it lasts, as decoded; nothing where there is none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return "", 0.0
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.codec.canonical_name, samples / stream.codec_context.sample_rate


@pytest.mark.parametrize(
    ("clip", "sound", "drawing"),
    [
        ("clip.mp4", "aac", "aac"),
        ("clip.ts", "aac", ""),
        ("clip.mov", "pcm_s16le", ""),
        ("clip.mkv", "libopus", "opus"),
        ("clip.mkv", "libvorbis", ""),
        ("clip.avi", "libmp3lame", "mp3"),
    ],
)
def test_an_overlay_keeps_the_sound_that_its_container_holds(
    tmp_path: Path, clip: str, sound: str, drawing: str
) -> None:
    """Copied as it is, from the first picture to the last; a drawing without it is whole."""
    path, out = with_sound(tmp_path / clip, sound), tmp_path / "out.mp4"

    render_overlay(path, [result_of(None)] * 50, out)

    codec, seconds = sound_of(out)
    assert codec == drawing
    assert seconds == pytest.approx(2.0 if drawing else 0.0, abs=0.1)
    assert len(times(out)) == 50


def test_the_sound_begins_with_the_first_picture(tmp_path: Path) -> None:
    """Of a clip whose pictures begin a second after its sound, the first second is left out."""
    whole, out = with_sound(tmp_path / "clip.mkv", "libopus"), tmp_path / "out.mp4"
    late = tmp_path / "late.mkv"
    parts = ["-itsoffset", "1", "-i", str(whole), "-i", str(whole), "-map", "0:v", "-map", "1:a", "-c", "copy"]
    subprocess.run(["ffmpeg", "-v", "error", *parts, str(late)], check=True)

    render_overlay(late, [result_of(None)] * 50, out)

    assert sound_of(out)[1] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("ending", "container"),
    [("mp4", "mov,mp4,m4a,3gp,3g2,mj2"), ("MOV", "mov,mp4,m4a,3gp,3g2,mj2"), ("mkv", "matroska,webm")],
)
def test_the_container_follows_the_files_ending(
    tmp_path: Path, ending: str, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the clip's frames at their times, and its sound."""
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(save_random_lite(tmp_path / "weights")))
    clip, out = with_sound(tmp_path / "clip.mp4", "aac", seconds=0.4), tmp_path / f"out.{ending}"

    assert main(["estimate", str(clip), "--output", str(tmp_path / "out.json"), "--overlay", str(out)]) == 0

    with av.open(str(out)) as drawn:
        assert drawn.format.name == container
    assert times(out) == times(clip)
    assert sound_of(out)[0] == "aac"


def test_an_ending_that_is_no_container_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the clip is looked at."""
    assert main(["estimate", "missing.mp4", "--overlay", str(tmp_path / "out.avi")]) == 2
    assert "one of .mp4, .m4v, .mov, .mkv" in capsys.readouterr().err


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files of this process may grow to `size` bytes: then the disk is full, as far as it can see."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noisy(path: Path) -> Path:
    """A clip whose drawing takes some hundred KiB."""
    noise = np.random.default_rng(0).integers(0, 255, (12, 96, 128, 3), np.uint8)
    return make_clip(path, pictures=list(noise))


def test_a_drawing_that_fails_is_told_as_such(tmp_path: Path) -> None:
    """With a code of its own."""
    clip = noisy(tmp_path / "clip.mp4")

    with largest_file(4096), pytest.raises(OverlayFailed, match="could not be drawn"):
        render_overlay(clip, [result_of(None)] * 12, tmp_path / "out.mp4")


def test_joints_survive_a_drawing_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are written whole, nothing stays of the drawing, and the command says what failed."""
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(save_random_lite(tmp_path / "weights")))
    clip, output, overlay = noisy(tmp_path / "clip.mp4"), tmp_path / "out.json", tmp_path / "out.mp4"

    with largest_file(40_000):
        code = main(["estimate", str(clip), "--output", str(output), "--overlay", str(overlay)])

    assert code == 1
    assert len(json.loads(output.read_text())["frames"]) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.json", "weights"]
    error = capsys.readouterr().err
    assert "could not be drawn" in error
    assert "the joints were written" in error
    assert error.count("\n") == 1
