"""Value types refuse what they cannot hold, and say what they expected."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from model.values import Array, Frame, FrameTransform, Pose, Region


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 6, 3), np.float32),
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((3, 4, 6), np.uint8),
    ],
    ids=["float", "grey", "alpha", "planes first"],
)
def test_frame_takes_rgb_bytes_only(rgb: Array) -> None:
    """Anything but uint8 [H, W, 3] is refused with the shape that came."""
    with pytest.raises(ValueError, match=r"expected uint8 \[H, W, 3\], got .*\[" + str(rgb.shape[0])):
        Frame(rgb)


def test_frame_size_is_width_then_height() -> None:
    """A picture of 4 rows and 6 columns is 6 wide and 4 high."""
    assert Frame(np.zeros((4, 6, 3), np.uint8)).size == (6, 4)


def test_frame_shows_its_shape_not_its_pixels() -> None:
    """A frame in a log line is short."""
    frame = Frame(np.zeros((4, 6, 3), np.uint8), pts_us=40_000, rotation_applied=90)
    assert repr(frame) == "Frame(rgb=uint8[4, 6, 3], pts_us=40000, rotation=90)"


def test_frame_turns_by_quarters_only() -> None:
    """A rotation that no container stores is refused."""
    with pytest.raises(ValueError, match="expected 0, 90, 180 or 270, got 45"):
        Frame(np.zeros((4, 6, 3), np.uint8), rotation_applied=45)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(4))
def test_region_is_finite(bad: float, place: int) -> None:
    """NaN and infinity are refused in every field."""
    numbers = [1.0, 2.0, 3.0, 4.0]
    numbers[place] = bad
    with pytest.raises(ValueError, match="expected finite numbers"):
        Region(*numbers)


@pytest.mark.parametrize(("w", "h"), [(0, 5), (5, 0), (-1, 5), (5, -1)])
def test_region_has_an_area(w: float, h: float) -> None:
    """An empty or inside-out box is refused."""
    with pytest.raises(ValueError, match="above 0"):
        Region(0, 0, w, h)


def test_region_center_is_its_middle() -> None:
    """The box spans [x, x + w]."""
    assert Region(10, 20, 4, 8).center == (12, 24)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Region(-5, -5, 4.6, 4.6), True),  # reaches over the outer edge of the first pixel
        (Region(-5, -5, 4.4, 4.4), False),
        (Region(99.4, 49.4, 10, 10), True),
        (Region(99.6, 0, 10, 10), False),
        (Region(0, 49.6, 10, 10), False),
        (Region(-100, -100, 1000, 1000), True),
    ],
)
def test_region_overlap_counts_whole_pixels(region: Region, expected: bool) -> None:
    """A picture 100 x 50 reaches from -0.5 to 99.5 and from -0.5 to 49.5."""
    assert region.overlaps(100, 50) is expected


@pytest.mark.parametrize("side", [0.0, -1.0])
def test_transform_needs_a_side(side: float) -> None:
    """A crop without extent is refused."""
    with pytest.raises(ValueError, match="expected a number above 0"):
        FrameTransform(0, 0, side, 256)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(4), ids=["center_x", "center_y", "side", "rotation"])
def test_transform_needs_finite_numbers(place: int, wrong: float) -> None:
    """A crop that lies nowhere is refused."""
    x, y, side, rotation = (wrong if i == place else 10.0 for i in range(4))
    with pytest.raises(ValueError, match="expected finite numbers"):
        FrameTransform(x, y, side, 256, rotation=rotation)


@pytest.mark.parametrize(("input_size", "stride"), [(0, 4), (256, 0), (256, -4)])
def test_transform_needs_sizes_of_one_and_more(input_size: int, stride: int) -> None:
    """An input or a cell without pixels is refused."""
    with pytest.raises(ValueError, match="expected sizes of 1 and more"):
        FrameTransform(0, 0, 10, input_size, stride)


def test_transform_needs_whole_cells() -> None:
    """An input that does not divide into cells is refused."""
    with pytest.raises(ValueError, match="255 is not a multiple of stride 4"):
        FrameTransform(0, 0, 10, 255)


def test_transform_knows_its_heatmap_size() -> None:
    """256 input pixels at stride 4 are 64 cells."""
    assert FrameTransform(0, 0, 10, 256).heatmap_size == 64


@pytest.mark.parametrize(("xy", "score"), [((13, 3), (13,)), ((13, 2), (12,)), ((26,), (13,)), ((13, 2), (13, 1))])
def test_pose_has_a_score_for_every_joint(xy: tuple[int, ...], score: tuple[int, ...]) -> None:
    """Coordinates and scores of different counts are refused."""
    with pytest.raises(ValueError, match=r"expected \[K, 2\] and \[K\]"):
        Pose(np.zeros(xy, np.float32), np.zeros(score, np.float32))


def test_pose_shows_a_summary() -> None:
    """A pose in a log line is short."""
    assert repr(Pose(np.zeros((13, 2), np.float32), np.full(13, 0.5, np.float32))) == "Pose(K=13, mean_score=0.50)"


def test_values_cannot_be_changed() -> None:
    """A value that travels between steps stays what it was."""
    with pytest.raises(FrozenInstanceError):
        Region(0, 0, 1, 1).x = 5  # type: ignore[misc]
