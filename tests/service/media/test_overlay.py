"""Skeletons on pictures and clips."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.values import Array, LostTrack, Pose, Region
from service.contract.messages import FrameResult, ModelInfo, Outcome
from service.media.drawing import draw_legend, draw_people, draw_pose
from service.media.overlay import render_overlay
from service.media.video import open_video
from tests.support.clips import make_clip, make_cut_off
from tests.support.people import person


def standing(width: int = 200, height: int = 240, score: float = 0.9) -> Pose:
    """A person who faces the viewer: their left is on the right of the picture."""
    xy = {"head": (0.5, 0.1)}
    for row, joint in enumerate(("shoulder", "elbow", "wrist", "hip", "knee", "ankle")):
        y = (0.25, 0.4, 0.5, 0.55, 0.75, 0.95)[row]
        xy[f"left_{joint}"], xy[f"right_{joint}"] = (0.7, y), (0.3, y)
    points = np.array([xy[joint] for joint in KINEPOSE_13.joints], np.float32)
    return Pose(points * np.array([width, height], np.float32), np.full(13, score, np.float32))


def result_of(pose: Pose | None, seq: int = 0) -> FrameResult:
    """The answer that carries a pose."""
    return FrameResult(
        session_id="s",
        seq=seq,
        pts_us=None,
        outcome=Outcome.OK if pose else Outcome.ERROR,
        model=ModelInfo("m", "1", "0" * 64),
        skeleton=KINEPOSE_13.name,
        joint_names=KINEPOSE_13.joints,
        people=(person(pose, region=Region(40, 10, 120, 225)),) if pose else (),
    )


def grey(width: int = 200, height: int = 240) -> Array:
    """An empty picture."""
    return np.full((height, width, 3), 100, np.uint8)


def changed(before: Array, after: Array) -> int:
    """Number of pixels that are not the same."""
    return int((before != after).any(axis=2).sum())


def test_drawing_leaves_the_given_picture_alone() -> None:
    """The result is a new array."""
    picture = grey()

    drawn = draw_pose(picture, standing(), KINEPOSE_13)

    assert np.array_equal(picture, grey())
    assert changed(picture, drawn) > 500


def test_a_read_only_picture_can_be_drawn_on() -> None:
    """Frames from decoders may be locked, or views."""
    picture = grey()[:, ::-1]
    picture.flags.writeable = False

    assert changed(picture, draw_pose(picture, standing(), KINEPOSE_13)) > 500


def test_the_persons_sides_have_their_own_colours() -> None:
    """Left is blue, right is orange; the person faces us, so blue is on the right."""
    drawn = draw_pose(grey(), standing(), KINEPOSE_13).astype(int)
    blue = drawn[..., 2] - drawn[..., 0] > 60
    orange = drawn[..., 0] - drawn[..., 2] > 60

    assert blue[:, 120:].sum() > 4 * blue[:, :80].sum()
    assert orange[:, :80].sum() > 4 * orange[:, 120:].sum()


def test_joints_lie_where_the_pose_says() -> None:
    """The pixel at a joint has its side's colour."""
    pose = standing()
    drawn = draw_pose(grey(), pose, KINEPOSE_13)

    x, y = pose.xy_px[KINEPOSE_13.index("left_wrist")].round().astype(int)

    assert tuple(drawn[y, x]) == (64, 180, 255)


def test_guesses_are_drawn_faintly() -> None:
    """Low scores change the picture less, but are shown."""
    sure = draw_pose(grey(), standing(score=0.9), KINEPOSE_13).astype(int)
    guess = draw_pose(grey(), standing(score=0.1), KINEPOSE_13).astype(int)

    assert 0 < np.abs(guess - 100).sum() < 0.6 * np.abs(sure - 100).sum()


def test_lines_grow_with_the_picture() -> None:
    """On a large picture they are as visible as on a small one."""
    small = changed(grey(), draw_pose(grey(), standing(), KINEPOSE_13))
    large = grey(800, 960)
    drawn = changed(large, draw_pose(large, standing(800, 960), KINEPOSE_13))

    assert drawn > 6 * small


def test_joints_far_outside_are_no_trouble() -> None:
    """A guess may lie anywhere, and a broken model anywhere at all."""
    wild = Pose(np.full((13, 2), 1e30, np.float32), np.ones(13, np.float32))

    assert draw_pose(grey(), wild, KINEPOSE_13).shape == (240, 200, 3)


def test_a_pose_of_another_skeleton_is_refused() -> None:
    """Bones would join the wrong joints."""
    with pytest.raises(ValueError, match="13 joints, the pose 14"):
        draw_pose(grey(), Pose(np.zeros((14, 2), np.float32), np.ones(14, np.float32)), KINEPOSE_13)


def test_each_person_has_a_colour_by_their_number() -> None:
    """Of two alike it is on the bones of each; the same number has it again in the next frame."""
    left, right = Pose(standing(100, 240).xy_px, np.ones(13, np.float32)), standing(100, 240)
    right = Pose(right.xy_px + np.array([100, 0], np.float32), right.score)
    one, two = person(left, 1, Region(10, 10, 80, 220)), person(right, 2, Region(110, 10, 80, 220))

    drawn = draw_people(grey(), replace(result_of(None), people=(one, two)), KINEPOSE_13)
    alone = draw_people(grey(), replace(result_of(None), people=(two,)), KINEPOSE_13)

    assert not np.array_equal(drawn[:, :95], drawn[:, 100:195])
    assert np.array_equal(drawn[:, 105:], alone[:, 105:])
    assert changed(grey()[:, :95], alone[:, :95]) == 0


def test_who_is_lost_is_marked_and_not_drawn_as_present() -> None:
    """The corners of the last box and a word, no joints."""
    lost = LostTrack(1, Region(40, 30, 120, 180))

    drawn = draw_people(grey(), replace(result_of(None), lost=(lost,)), KINEPOSE_13)

    assert changed(grey()[60:180], drawn[60:180]) < 200
    assert changed(grey(), drawn) > 200
    assert changed(grey()[90:150, 60:140], drawn[90:150, 60:140]) == 0


def test_a_legend_tells_the_sides_colours() -> None:
    """In the upper left corner; a small picture has no room for it."""
    large, small = grey(400, 300), grey(120, 90)
    draw_legend(large)
    draw_legend(small)
    assert changed(grey(400, 300)[:40, :200], large[:40, :200]) == changed(grey(400, 300), large) > 50
    assert changed(grey(120, 90), small) == 0


def test_a_picture_with_nobody_in_it_stays_as_it_is() -> None:
    """There is nothing to draw."""
    assert changed(grey(), draw_people(grey(), result_of(None), KINEPOSE_13)) == 0


def test_an_overlay_is_the_clip_with_skeletons_at_its_own_times(tmp_path: Path) -> None:
    """H.264 that any player takes, with the clip's variable frame rate."""
    times = [100, 140, 300, 310]
    clip = make_clip(tmp_path / "clip.mkv", count=4, size=(200, 240), times_ms=times)
    out = tmp_path / "out.mp4"

    render_overlay(clip, [result_of(standing(), seq) for seq in range(4)], out)

    with open_video(clip) as video:
        plain = list(video)
    with open_video(out) as video:
        drawn = list(video)
    assert video.codec == "h264"
    assert [frame.pts_us for frame in drawn] == [(time - 100) * 1000 for time in times]
    assert video.start_us == 0
    for before, after in zip(plain, drawn, strict=True):
        assert (np.abs(before.rgb.astype(int) - after.rgb).max(axis=2) > 60).sum() > 300


def test_an_overlay_has_the_format_that_players_take(tmp_path: Path) -> None:
    """yuv420p and even sides, even where the clip has odd ones."""
    clip = make_clip(tmp_path / "odd.mp4", size=(65, 49), pixels="yuv444p", count=2)

    render_overlay(clip, [result_of(None)] * 2, tmp_path / "out.mp4")

    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.pix_fmt, stream.width, stream.height) == ("yuv420p", 66, 50)


def test_an_overlay_of_a_turned_clip_is_upright(tmp_path: Path) -> None:
    """Poses are in upright pixels, so the picture is turned and the file says nothing of rotation."""
    clip = make_clip(tmp_path / "turned.mp4", turn=(-90.0, False, False), count=2)

    render_overlay(clip, [result_of(None)] * 2, tmp_path / "out.mp4")

    with open_video(tmp_path / "out.mp4") as video:
        assert (video.size, video.rotation) == ((48, 64), 0)


def test_a_frame_without_pose_is_shown_as_it_is(tmp_path: Path) -> None:
    """Only encoding changes it, and little."""
    clip = make_clip(tmp_path / "clip.mp4", count=2)

    render_overlay(clip, [result_of(None)] * 2, tmp_path / "out.mp4")

    with open_video(clip) as video, open_video(tmp_path / "out.mp4") as drawn:
        for before, after in zip(video, drawn, strict=True):
            assert np.abs(before.rgb.astype(int) - after.rgb).mean() < 8


def test_an_overlay_of_a_clip_that_breaks_off_ends_there(tmp_path: Path) -> None:
    """There is a picture for each result, and no error."""
    clip = make_cut_off(tmp_path)

    render_overlay(clip, [result_of(None)] * 20, tmp_path / "out.mp4")

    with open_video(tmp_path / "out.mp4") as video:
        assert len(list(video)) == 20
