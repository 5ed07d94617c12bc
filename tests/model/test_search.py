"""Where a search looks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.engines.base import ModelOutput
from model.reading import Candidate
from model.search import coarse_windows, fine_windows, prominence
from model.values import Array, FrameTransform, Pose
from tests.support.dots import person

SIDES = st.integers(min_value=16, max_value=4000)


def _covers(windows: list[FrameTransform], x: float, y: float) -> bool:
    return any(abs(x - w.center_x) <= w.side / 2 + 1 and abs(y - w.center_y) <= w.side / 2 + 1 for w in windows)


@given(SIDES, SIDES)
def test_windows_cover_the_whole_frame(width: int, height: int) -> None:
    """Each point of a frame is looked at, coarsely and finely; strips beyond four to one are looked at in places."""
    if max(width, height) > 4 * min(width, height):
        return
    for windows in (coarse_windows(width, height, 256), fine_windows(width, height, 256)):
        for x in np.linspace(0, width - 1, 7):
            for y in np.linspace(0, height - 1, 7):
                assert _covers(windows, x, y)


def test_an_ordinary_frame_costs_few_windows() -> None:
    """16:9 needs the letterbox and three squares; a square frame the letterbox alone."""
    assert len(coarse_windows(1920, 1080, 256)) == 4
    assert len(coarse_windows(500, 500, 256)) == 1
    assert len(fine_windows(1920, 1080, 256)) <= 20


def _candidate(joints: Array, score: float = 0.5) -> Candidate:
    maps = np.zeros((13, 2, 2), np.float32)
    pose = Pose(joints.astype(np.float32), np.full(13, score, np.float32))
    return Candidate(FrameTransform(0, 0, 1, 192), ModelOutput(maps, maps, maps, 1.0), pose)


def test_whoever_is_clear_large_and_in_the_middle_is_prominent() -> None:
    """Each alone decides where all else is alike; somebody outside the picture is not prominent at all."""
    size = (320, 240)
    middle = prominence(_candidate(person(120, 70, 100)), size)
    assert middle > prominence(_candidate(person(120, 70, 100), 0.4), size)
    assert middle > prominence(_candidate(person(140, 90, 60)), size)
    assert middle > prominence(_candidate(person(10, 70, 100)), size)
    assert prominence(_candidate(person(-400, 70, 100)), size) == 0
