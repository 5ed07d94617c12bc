"""Tracking, with an engine that sees dots."""

import math
from dataclasses import replace

import numpy as np
import pytest

from model.coords import frame_to_heatmap
from model.engines.base import EngineError, ModelInput, ModelOutput
from model.heatmaps import decode
from model.passes import WINDOWS_A_PASS
from model.region import box_from_joints
from model.search import MOST_COARSE, MOST_FINE, MOST_FINEST, coarse_windows, fine_windows, finest_windows
from model.track_reading import LOST_PATIENCE, TURNS_EVERY
from model.tracker import (
    FrameSizeMismatch,
    RegionOutside,
    Tracked,
    Tracker,
    TrackRequest,
)
from model.values import Array, Frame, Pose, Region
from tests.support.dots import DotEngine, person, picture


def _tracker() -> tuple[Tracker, DotEngine]:
    engine = DotEngine()
    return Tracker(engine, "digest"), engine


def _one(tracker: Tracker, request: TrackRequest) -> Tracked:
    [answer] = tracker.step([request])
    assert isinstance(answer, Tracked)
    return answer


def _pose(tracked: Tracked) -> Pose:
    [reading] = tracked.readings
    return reading.pose


def _region(x: float, y: float, height: float) -> Region:
    return Region(x + 0.1 * height, y, 0.8 * height, height)


def test_joints_come_back_in_frame_pixels() -> None:
    """A person in a given region is read to a pixel."""
    joints = person(100, 60, 120)
    tracked = _one(_tracker()[0], TrackRequest(picture(joints), 0, regions=(_region(100, 60, 120),)))
    np.testing.assert_allclose(_pose(tracked).xy_px, joints, atol=1.0)
    assert tracked.readings[0].region == _region(100, 60, 120)


@pytest.mark.parametrize(
    ("size", "place", "height"),
    [
        ((320, 240), (90, 40), 150),
        ((640, 240), (480, 50), 150),
        ((240, 640), (60, 430), 150),
        ((640, 480), (380, 250), 110),
    ],
)
def test_a_person_is_found_without_a_region(size: tuple[int, int], place: tuple[int, int], height: int) -> None:
    """In wide and in tall frames, in the middle and at the side, large and small."""
    joints = person(*place, height)
    tracked = _one(_tracker()[0], TrackRequest(picture(joints, *size), 0))
    np.testing.assert_allclose(_pose(tracked).xy_px, joints, atol=1.5)


def test_a_walking_person_is_followed_with_one_pass_a_frame() -> None:
    """The region is given once; forty frames later the crop is still on the person."""
    tracker, engine = _tracker()
    state, region = None, _region(10, 60, 100)
    for t in range(40):
        joints = person(10 + 5 * t, 60 + 0.5 * t, 100)
        tracked = _one(tracker, TrackRequest(picture(joints), t, state, (region,) if t == 0 else ()))
        np.testing.assert_allclose(_pose(tracked).xy_px, joints, atol=1.0)
        state = tracked.state
    assert engine.batches == [1] * 40


def test_previous_maps_are_moved_into_the_new_crop() -> None:
    """What the network gets as m_prev peaks where the joints were, seen from the crop of now."""
    tracker, engine = _tracker()
    before = person(60, 60, 100)
    first = _one(tracker, TrackRequest(picture(before), 0, regions=(_region(60, 60, 100),)))
    second = _one(tracker, TrackRequest(picture(person(75, 66, 104)), 1, first.state, (_region(75, 66, 104),)))
    m_prev = engine.seen[-1].m_prev
    assert m_prev is not None
    cells, _ = decode(m_prev)
    np.testing.assert_allclose(cells, frame_to_heatmap(before, second.state.tracks[0].transform), atol=0.6)


def test_a_lost_person_is_not_left_in_a_shrinking_box() -> None:
    """While nobody is seen the box grows, and keeps within the frame's size."""
    tracker, _ = _tracker()
    tracked = _one(tracker, TrackRequest(picture(person(100, 60, 100)), 0, regions=(_region(100, 60, 100),)))
    sides = []
    for t in range(1, LOST_PATIENCE + 2):
        tracked = _one(tracker, TrackRequest(picture(None), t, tracked.state))
        sides.append(tracked.state.tracks[0].box.h)
    assert sides == sorted(sides)
    assert sides[-1] > 1.3 * sides[0]
    assert sides[-1] <= 240


def test_a_person_who_comes_back_elsewhere_is_found_again() -> None:
    """After some lost frames the whole frame is searched; the track starts afresh there."""
    tracker, engine = _tracker()
    tracked = _one(tracker, TrackRequest(picture(person(10, 20, 80)), 0, regions=(_region(10, 20, 80),)))
    for t in range(1, LOST_PATIENCE + 3):
        tracked = _one(tracker, TrackRequest(picture(None), t, tracked.state))
    joints = person(210, 130, 90)
    tracked = _one(tracker, TrackRequest(picture(joints), LOST_PATIENCE + 3, tracked.state))
    np.testing.assert_allclose(_pose(tracked).xy_px, joints, atol=1.5)
    assert tracked.state.tracks[0].lost_frames == 0
    assert engine.seen[-1].fresh


def test_an_empty_scene_costs_little() -> None:
    """Where nobody is, most frames are one pass, and a close look becomes rare."""
    tracker, engine = _tracker()
    tracked = _one(tracker, TrackRequest(picture(None, 640, 360), 0))
    at_the_start = sum(engine.batches)
    for t in range(1, 71):
        tracked = _one(tracker, TrackRequest(picture(None, 640, 360), t, tracked.state))
    assert (sum(engine.batches) - at_the_start) / 70 < 5
    assert at_the_start > 10


def test_an_answer_says_where_its_region_comes_from() -> None:
    """Given, then tracked; searched where nothing is known, so that no change of person is silent."""
    tracker, _ = _tracker()
    joints = person(60, 60, 100)
    first = _one(tracker, TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),)))
    second = _one(tracker, TrackRequest(picture(joints), 1, first.state))
    found = _one(tracker, TrackRequest(picture(joints), 0))
    assert [answer.readings[0].region_source for answer in (first, second, found)] == ["given", "tracked", "searched"]


def test_an_empty_picture_gives_a_guess_with_a_low_score() -> None:
    """Nobody there: finite joints, scores of zero, no exception."""
    tracked = _one(_tracker()[0], TrackRequest(picture(None), 0))
    assert np.isfinite(_pose(tracked).xy_px).all()
    assert _pose(tracked).score.max() == 0.0


def test_failures_stay_with_their_request() -> None:
    """A frame of another size and a region outside are answers in their place; the neighbour is read."""
    tracker, _ = _tracker()
    joints = person(60, 60, 100)
    state = _one(tracker, TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),))).state
    answers = tracker.step(
        [
            TrackRequest(picture(joints, 640, 480), 1, state),
            TrackRequest(picture(joints), 0, regions=(Region(500, 500, 10, 10),)),
            TrackRequest(picture(joints), 1, state),
        ]
    )
    assert [type(answer) for answer in answers] == [FrameSizeMismatch, RegionOutside, Tracked]


def test_a_batch_equals_its_members_one_by_one() -> None:
    """Searching, fresh and continuing requests share batches without touching each other."""
    tracker, _ = _tracker()
    first = person(60, 60, 100)
    state = _one(tracker, TrackRequest(picture(first), 0, regions=(_region(60, 60, 100),))).state
    requests = [
        TrackRequest(picture(person(150, 40, 130)), 0),
        TrackRequest(picture(person(63, 60, 100)), 1, state),
        TrackRequest(picture(first), 0, regions=(_region(60, 60, 100),)),
    ]
    together = [answer for answer in tracker.step(requests) if isinstance(answer, Tracked)]
    alone = [_one(tracker, request) for request in requests]
    for mine, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(_pose(mine).xy_px, _pose(theirs).xy_px)
        np.testing.assert_array_equal(mine.state.tracks[0].m.maps(), theirs.state.tracks[0].m.maps())


def test_a_state_of_other_weights_starts_afresh() -> None:
    """Maps of another network mean nothing to this one."""
    tracker, engine = _tracker()
    joints = person(60, 60, 100)
    state = _one(tracker, TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),))).state
    _one(tracker, TrackRequest(picture(joints), 1, replace(state, model="other")))
    assert engine.seen[-1].fresh


def test_a_region_on_a_later_frame_moves_the_crop_and_keeps_the_past() -> None:
    """The client knows better where the person is, not that it is another one."""
    tracker, engine = _tracker()
    joints = person(60, 60, 100)
    state = _one(tracker, TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),))).state
    tracked = _one(tracker, TrackRequest(picture(joints), 1, state, (Region(50, 50, 120, 120),)))
    assert tracked.readings[0].region == Region(50, 50, 120, 120)
    assert not engine.seen[-1].fresh


def test_a_device_failure_is_nobodys_fault() -> None:
    """EngineError passes through, for the caller to deal with."""

    class Broken(DotEngine):
        def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
            raise EngineError("gone", sticky=True)

    with pytest.raises(EngineError, match="gone"):
        Tracker(Broken(), "digest").step([TrackRequest(Frame(np.zeros((8, 8, 3), np.uint8)), 0)])


def test_a_state_of_another_runtime_starts_afresh() -> None:
    """The same weights on another runtime or instruction set give other joints: no session is continued silently."""

    class Elsewhere(DotEngine):
        signature = "dots on another CPU"

    joints = person(60, 60, 100)
    state = _one(_tracker()[0], TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),))).state
    engine = Elsewhere()
    _one(Tracker(engine, "digest"), TrackRequest(picture(joints), 1, state))
    assert engine.seen[-1].fresh


def test_a_search_is_a_row_of_small_passes_that_others_share() -> None:
    """A frame that is looked through keeps an ordinary frame waiting for one batch only."""
    tracker, engine = _tracker()
    joints = person(60, 60, 100)
    state = _one(tracker, TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),))).state
    search = tracker.begin(TrackRequest(picture(None, 1920, 1080), 0))
    frame = tracker.begin(TrackRequest(picture(joints), 1, state))
    tracker.advance([(search, 1), (frame, 1)])
    assert frame.done
    assert not search.done
    while not search.done:
        tracker.advance([(search, WINDOWS_A_PASS)])
    assert max(engine.batches[2:]) <= WINDOWS_A_PASS
    assert sum(engine.batches) <= 3 + MOST_COARSE + MOST_FINE + MOST_FINEST


def test_a_small_person_in_a_large_picture_is_found() -> None:
    """150 pixels in 1080p, without a region."""
    joints = person(1300, 640, 150)
    tracked = _one(_tracker()[0], TrackRequest(picture(joints, 1920, 1080), 0))
    np.testing.assert_allclose(_pose(tracked).xy_px, joints, atol=3.0)


def test_nobody_is_followed_where_the_network_says_nobody_is() -> None:
    """Whoever the network says is absent is not followed, however high the peaks are."""

    class Sceptic(DotEngine):
        def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
            return [replace(output, presence=0.01) for output in super().infer(inputs)]

    joints = person(60, 60, 100)
    tracked = _one(Tracker(Sceptic(), "digest"), TrackRequest(picture(joints), 0, regions=(_region(60, 60, 100),)))
    assert tracked.readings[0].person_score == 0.01
    assert tracked.state.tracks[0].lost_frames == 1


@pytest.mark.parametrize("size", [(2000, 20), (65_500, 8), (20, 2000), (16_000, 9_000), (1, 1)])
def test_a_search_is_bounded_whatever_the_frame_is_like(size: tuple[int, int]) -> None:
    """A strip, a huge frame and a single pixel cost at most as many passes as the module says."""
    width, height = size
    assert 1 <= len(coarse_windows(width, height, 256)) <= MOST_COARSE
    assert 1 <= len(fine_windows(width, height, 256)) <= MOST_FINE
    assert len(finest_windows(width, height, 256)) <= MOST_FINEST


def test_box_needs_five_joints() -> None:
    """Four joints do not place a person."""
    joints, score = person(60, 60, 100), np.zeros(13, np.float32)
    score[:4] = 0.9
    assert box_from_joints(joints, score) is None
    score[4] = 0.9
    assert box_from_joints(joints, score) is not None


class StandingEngine(DotEngine):
    """Sees people clearly who stand upright in the crop, and others faintly, as a network does that learnt so."""

    def _read(self, item: ModelInput) -> ModelOutput:
        seen = super()._read(item)
        cells, score = decode(seen.m)
        head, hips = cells[0], cells[-6:-4].mean(axis=0)
        upright = score.min() > 0.5 and hips[1] - head[1] > 2 * abs(hips[0] - head[0])
        return seen if upright else replace(seen, m=seen.m * 0.3)


def _lying(joints: Array, turn: float, middle: tuple[float, float]) -> Array:
    """The same person, turned clockwise by so many radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray((joints - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_person_who_lies_is_read_in_a_turned_crop(quarters: int) -> None:
    """Joints are exact in frame pixels; later frames keep the turn and cost one pass."""
    engine = StandingEngine()
    tracker = Tracker(engine, "digest")
    joints = _lying(person(100, 60, 120), quarters * math.pi / 2, (160, 120))
    first = _one(tracker, TrackRequest(picture(joints), 0, regions=(Region(95, 55, 130, 130),)))
    np.testing.assert_allclose(_pose(first).xy_px, joints, atol=1.0)
    assert first.state.tracks[0].transform.rotation == pytest.approx(math.tau - quarters * math.pi / 2)
    assert engine.batches == [1, 2, 1]
    moved = joints + np.array([4, 2])
    second = _one(tracker, TrackRequest(picture(moved), 1, first.state))
    np.testing.assert_allclose(_pose(second).xy_px, moved, atol=1.0)
    assert engine.batches == [1, 2, 1, 1]
    m_prev = engine.seen[-1].m_prev
    assert m_prev is not None
    np.testing.assert_allclose(decode(m_prev)[0], frame_to_heatmap(joints, second.state.tracks[0].transform), atol=0.6)


def test_a_person_who_lies_down_is_turned_after_some_frames() -> None:
    """The track goes on from there without what it remembers of another turn."""
    engine = StandingEngine()
    tracker = Tracker(engine, "digest")
    standing = person(100, 60, 120)
    tracked = _one(tracker, TrackRequest(picture(standing), 0, regions=(_region(100, 60, 120),)))
    lying = _lying(standing, math.pi / 2, (160, 120))
    for t in range(1, TURNS_EVERY + 1):
        assert tracked.state.tracks[0].transform.rotation == 0
        tracked = _one(tracker, TrackRequest(picture(lying), t, tracked.state))
    assert tracked.state.tracks[0].transform.rotation == pytest.approx(3 * math.pi / 2)
    np.testing.assert_allclose(_pose(tracked).xy_px, lying, atol=1.0)


def test_a_person_who_is_read_well_costs_no_turns() -> None:
    """Other turns are tried where the person is read weakly, and then all three of them."""
    tracker, engine = _tracker()
    _one(tracker, TrackRequest(picture(person(100, 60, 120)), 0, regions=(_region(100, 60, 120),)))
    assert engine.batches == [1]
