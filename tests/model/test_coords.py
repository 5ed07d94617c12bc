"""Coordinates: maps and their inverses agree, and pictures and heatmaps move to where the maps say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.coords import (
    PERSON_MARGIN,
    crop_input,
    frame_to_heatmap,
    frame_to_input,
    frame_to_input_matrix,
    grid_to_heatmap,
    halved,
    heatmap_to_frame,
    heatmap_to_grid,
    heatmap_to_input,
    input_to_frame,
    input_to_heatmap,
    letterbox_transform,
    pixels_within,
    region_to_transform,
    resample_maps,
    resampling_theta,
    rescale_points,
    rescale_region,
)
from model.heatmaps import decode
from model.values import Array, Frame, FrameTransform, Region
from tests.support.blobs import blobs

TOLERANCE_PX = 0.01


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


transforms = st.builds(
    FrameTransform,
    center_x=_numbers(-500, 5000),
    center_y=_numbers(-500, 5000),
    side=_numbers(10, 6000),
    input_size=st.sampled_from([128, 192, 256, 384]),
    rotation=_numbers(-math.pi, math.pi),
    flip=st.booleans(),
)
points = st.tuples(_numbers(-1000, 8000), _numbers(-1000, 8000)).map(np.array)


@given(points, transforms)
def test_frame_to_input_and_back(xy: Array, t: FrameTransform) -> None:
    """A point comes back from the input, turned, mirrored and scaled as it may be."""
    assert np.abs(input_to_frame(frame_to_input(xy, t), t) - xy).max() < TOLERANCE_PX


@given(points, transforms)
def test_frame_to_heatmap_and_back(xy: Array, t: FrameTransform) -> None:
    """A point comes back from the heatmap."""
    assert np.abs(heatmap_to_frame(frame_to_heatmap(xy, t), t) - xy).max() < TOLERANCE_PX


@given(points, st.sampled_from([1, 2, 4, 8]))
def test_input_to_heatmap_and_back(xy: Array, stride: int) -> None:
    """A point comes back from cells of any stride."""
    assert np.abs(heatmap_to_input(input_to_heatmap(xy, stride), stride) - xy).max() < TOLERANCE_PX


@given(transforms)
def test_the_center_meets_the_middle(t: FrameTransform) -> None:
    """The crop's centre lies in the middle of the input and of the heatmap, however it is turned."""
    center = np.array([t.center_x, t.center_y])
    np.testing.assert_allclose(frame_to_input(center, t), [(t.input_size - 1) / 2] * 2, atol=1e-6)
    np.testing.assert_allclose(frame_to_heatmap(center, t), [(t.heatmap_size - 1) / 2] * 2, atol=1e-6)


@given(transforms)
def test_flip_mirrors_columns_only(t: FrameTransform) -> None:
    """With a flip column x becomes S - 1 - x; rows stay."""
    xy = np.array([[t.center_x + 7.0, t.center_y - 3.0]])
    plain, mirrored = (frame_to_input(xy, replace(t, flip=f)) for f in (False, True))
    np.testing.assert_allclose(mirrored[0], [t.input_size - 1 - plain[0, 0], plain[0, 1]], atol=1e-6)


def test_maps_take_many_points_at_once() -> None:
    """Leading axes are kept: [T, K, 2] stays [T, K, 2], each point mapped by itself."""
    t = FrameTransform(50, 60, 100, 256, rotation=0.3)
    xy = np.random.default_rng(0).uniform(0, 100, (3, 5, 2))
    mapped = frame_to_heatmap(xy, t)
    assert mapped.shape == xy.shape
    np.testing.assert_allclose(mapped[2, 4], frame_to_heatmap(xy[2, 4], t))


def test_outer_corners_meet() -> None:
    """The crop's outer edges are those of the input: half a pixel outside the first and last centres."""
    t = FrameTransform(100.0, 50.0, 64.0, 256)
    corners = frame_to_input(np.array([[68.0, 18.0], [132.0, 82.0]]), t)
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [255.5, 255.5]])


def test_equal_sizes_are_the_identity() -> None:
    """A crop of 256 frame pixels that starts at pixel 0 changes no coordinate."""
    t = FrameTransform(127.5, 127.5, 256.0, 256)
    np.testing.assert_allclose(frame_to_input_matrix(t), [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_first_cell_covers_four_pixels() -> None:
    """At stride 4 the first cell's centre is pixel 1.5, between pixels 0 and 3; the last cell's is 253.5."""
    np.testing.assert_allclose(heatmap_to_input(np.array([0.0, 63.0]), 4), [1.5, 253.5])
    np.testing.assert_allclose(input_to_heatmap(np.array([-0.5, 255.5]), 4), [-0.5, 63.5])


def test_quarter_turn_goes_clockwise() -> None:
    """A turn of +90 degrees takes what is on the right of the centre to below it (y points down)."""
    t = FrameTransform(100, 100, 256, 256, rotation=math.pi / 2)
    np.testing.assert_allclose(frame_to_input(np.array([110.0, 100.0]), t), [127.5, 137.5])


def test_person_crop_has_its_margin() -> None:
    """The crop is a square round the box's middle, a margin longer than the box's longer side."""
    t = region_to_transform(Region(10, 20, 30, 80), 256)
    assert (t.center_x, t.center_y, t.side) == (25.0, 60.0, 80 * PERSON_MARGIN)
    assert region_to_transform(Region(10, 20, 30, 80), 256, margin=2.0).side == 160


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (7, 7), (1, 300)])
def test_letterbox_holds_the_whole_frame(width: int, height: int) -> None:
    """The frame's outer corners land inside the input, and its longer side spans it exactly."""
    t = letterbox_transform(width, height, 256)
    corners = frame_to_input(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]), t)
    assert corners.min() == pytest.approx(-0.5)
    assert corners.max() == pytest.approx(255.5)
    np.testing.assert_allclose(corners.mean(axis=0), [127.5, 127.5])


def _frame_with_blob(width: int, height: int, xy: Array, sigma: float) -> Array:
    x = np.arange(width) - xy[0]
    y = np.arange(height)[:, None] - xy[1]
    blob = 250 * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.asarray(np.repeat(blob[..., None].round().astype(np.uint8), 3, axis=2))


def _centroid(rgb: Array) -> Array:
    weight = rgb[..., 1].astype(np.float64)
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    return np.asarray(np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum())


CROPS = {
    "same size": (FrameTransform(150.3, 120.8, 256, 256), (151.2, 130.4), 6),
    "scaled up": (FrameTransform(150.3, 120.8, 60, 256), (155.2, 114.4), 3),
    "scaled down": (FrameTransform(210.1, 150.7, 480, 256), (251.2, 100.4), 8),
    "shrunk by area": (FrameTransform(310.1, 290.7, 700, 256), (391.2, 200.4), 9),
    "shrunk by area, odd frame": (FrameTransform(530.6, 410.2, 1999, 256), (701.7, 222.4), 30),
    "shrunk much": (FrameTransform(530.6, 410.2, 5000, 256), (411.7, 622.4), 80),
    "turned": (FrameTransform(310.1, 290.7, 300, 256, rotation=0.6), (360.2, 270.4), 8),
    "mirrored": (FrameTransform(310.1, 290.7, 300, 256, flip=True), (360.2, 270.4), 8),
    "turned, mirrored, shrunk": (
        FrameTransform(500, 400, 900, 256, rotation=-0.4, flip=True),
        (620, 330),
        14,
    ),
}


@pytest.mark.parametrize(("t", "xy", "sigma"), CROPS.values(), ids=CROPS)
def test_crop_moves_the_picture_as_the_maps_say(t: FrameTransform, xy: tuple[float, float], sigma: float) -> None:
    """A blob drawn in the frame is found in the input at frame_to_input of its centre, on all ways of cropping."""
    crop = crop_input(Frame(_frame_with_blob(1061, 823, np.array(xy), sigma)), t)
    assert crop.shape == (256, 256, 3)
    assert crop.dtype == np.uint8
    assert crop.max() > 100
    np.testing.assert_allclose(_centroid(crop), frame_to_input(np.array(xy), t), atol=0.1)


@pytest.mark.parametrize(("width", "height"), [(1061, 823), (823, 1061), (400, 300), (100, 200), (3001, 1999)])
def test_letterboxed_picture_lies_where_the_maps_say(width: int, height: int) -> None:
    """The same for whole frames, wide or high, smaller or larger than the input."""
    t, xy = letterbox_transform(width, height, 256), np.array([width * 0.37, height * 0.61])
    crop = crop_input(Frame(_frame_with_blob(width, height, xy, max(width, height) / 40)), t)
    np.testing.assert_allclose(_centroid(crop), frame_to_input(xy, t), atol=0.1)


@pytest.mark.parametrize("side", [40, 300, 1600])
def test_outside_the_frame_is_black(side: float) -> None:
    """A crop that reaches over the frame's corner shows the frame and black."""
    t = FrameTransform(-0.5, -0.5, side, 256)
    crop = crop_input(Frame(np.full((800, 800, 3), 255, np.uint8)), t)
    blend = math.ceil(256 / side) + 1  # the outermost frame pixels fade into the black
    assert not crop[: 128 - blend].any()
    assert not crop[:, : 128 - blend].any()
    assert crop[128 + blend : 250, 128 + blend : 250].min() == 255


def test_equal_crop_keeps_every_pixel() -> None:
    """Where frame and input coincide the picture is copied bit for bit."""
    frame = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert np.array_equal(crop_input(Frame(frame), letterbox_transform(256, 256, 256)), frame)


def test_big_shrink_averages_fine_texture() -> None:
    """A checkerboard of single pixels becomes grey, not a false pattern."""
    frame = np.zeros((2048, 2048, 3), np.uint8)
    frame[::2, ::2] = frame[1::2, 1::2] = 255
    inner = crop_input(Frame(frame), letterbox_transform(2048, 2048, 256))[4:-4, 4:-4].astype(int)
    assert inner.min() >= 126
    assert inner.max() <= 129


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1061, 823), (65_500, 8), (1, 300)])
def test_a_half_is_made_of_means_and_once(width: int, height: int) -> None:
    """Small pixels are means of whole blocks; a frame that is halved further, or again, does not begin anew."""
    rgb = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame = Frame(rgb)
    times = min(3, min(width, height).bit_length() - 1)
    small, block = halved(frame, times), 2**times

    assert small.shape == (height // block, width // block, 3)
    whole = rgb[: height // block * block, : width // block * block].astype(float)
    means = whole.reshape(height // block, block, width // block, block, 3).mean((1, 3))
    assert np.abs(small - means).max() <= times * 0.5  # each half is rounded
    assert halved(frame, times) is small


@given(points, st.integers(1, 96))
def test_heatmap_to_grid_and_back(xy: Array, size: int) -> None:
    """A point comes back from grid coordinates."""
    assert np.abs(grid_to_heatmap(heatmap_to_grid(xy, size), size) - xy).max() < TOLERANCE_PX


def test_the_grid_ends_at_the_outer_edges() -> None:
    """-1 and 1 are half a cell outside the first and last centres; 0 is the middle."""
    np.testing.assert_allclose(heatmap_to_grid(np.array([-0.5, 63.5, 31.5]), 64), [-1.0, 1.0, 0.0])


@given(transforms, transforms)
def test_theta_takes_the_new_crop_to_the_old(old: FrameTransform, new: FrameTransform) -> None:
    """Any point of the new crop's grid, turned and mirrored as both may be, by way of the frame."""
    grid = np.array([[-1.0, 0.3], [0.7, -0.2], [0.0, 1.0]])
    theta = resampling_theta(old, new)
    in_frame = heatmap_to_frame(grid_to_heatmap(grid, new.heatmap_size), new)
    expected = heatmap_to_grid(frame_to_heatmap(in_frame, old), old.heatmap_size)
    np.testing.assert_allclose(grid @ theta[:, :2].T + theta[:, 2], expected, rtol=1e-6, atol=1e-6)


@given(transforms)
def test_theta_of_one_crop_is_the_identity(t: FrameTransform) -> None:
    """Nothing moves."""
    np.testing.assert_allclose(resampling_theta(t, t), [[1, 0, 0], [0, 1, 0]], atol=1e-6)


@given(st.floats(-20, 40), st.floats(0, 30), st.integers(1, 24))
def test_pixels_within_are_those_whose_centres_are(low: float, length: float, size: int) -> None:
    """Against each pixel looked at by itself; outside the axis there are none."""
    found = range(size)[pixels_within(low, low + length, size)]
    assert list(found) == [x for x in range(size) if low <= x <= low + length]


MOVES = {
    "shifted": (FrameTransform(100, 100, 200, 256), FrameTransform(117.3, 92.1, 200, 256)),
    "grown": (FrameTransform(100, 100, 200, 256), FrameTransform(96, 104, 290, 256)),
    "shrunk": (FrameTransform(100, 100, 200, 256), FrameTransform(108, 95, 130, 256)),
    "letterbox to person": (letterbox_transform(320, 240, 256), FrameTransform(108, 95, 130, 256)),
}


@pytest.mark.parametrize(("old", "new"), MOVES.values(), ids=MOVES)
def test_resampled_maps_lie_where_the_maps_say(old: FrameTransform, new: FrameTransform) -> None:
    """A blob on the old heatmap is found on the new one at the same place of the frame."""
    in_frame = np.array([[104.0, 97.0], [120.5, 110.2], [88.3, 78.9]])
    sigma = 2.0 if new.side > old.side * 0.8 else 3.0
    before = blobs(frame_to_heatmap(in_frame, old), 64, sigma=sigma)
    after = resample_maps(before, old, new)
    assert after.shape == (3, 64, 64)
    cells, _ = decode(after)
    np.testing.assert_allclose(cells, frame_to_heatmap(in_frame, new), atol=0.15)


def test_resampling_to_the_same_crop_changes_nothing() -> None:
    """A crop that did not move leaves every bit as it was."""
    t, maps = FrameTransform(100, 100, 200, 256), np.random.default_rng(0).normal(size=(3, 64, 64))
    assert resample_maps(maps, t, replace(t)) is maps


def test_resampling_takes_stored_halves() -> None:
    """float16 maps of a stored state go in; float32 comes out."""
    t = FrameTransform(100, 100, 200, 256)
    out = resample_maps(np.ones((2, 64, 64), np.float16), t, replace(t, center_x=101.0))
    assert out.dtype == np.float32


def test_resampled_maps_are_empty_where_nothing_was_seen() -> None:
    """What the old crop did not show is 0 on the new heatmap."""
    old, new = FrameTransform(100, 100, 200, 256), FrameTransform(200, 100, 200, 256)
    after = resample_maps(np.ones((2, 64, 64), np.float32), old, new)
    assert (after[:, :, :31] == 1).all()
    assert (after[:, :, 33:] == 0).all()


SIZES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(points, SIZES, SIZES)
def test_a_picture_rescaled_and_back(xy: Array, old: tuple[int, int], new: tuple[int, int]) -> None:
    """A point comes back from the picture of another size."""
    there = rescale_points(xy, old, new)
    assert np.abs(rescale_points(there, new, old) - xy).max() < TOLERANCE_PX


def test_edges_stay_edges_when_a_picture_is_rescaled() -> None:
    """Outer edges, half a pixel beyond the centres of the outer pixels, are those of the other picture."""
    corners = np.array([[-0.5, -0.5], [63.5, 47.5]])

    assert rescale_points(corners, (64, 48), (128, 48)).tolist() == [[-0.5, -0.5], [127.5, 47.5]]
    assert rescale_region(Region(-0.5, -0.5, 64, 48), (64, 48), (128, 24)) == Region(-0.5, -0.5, 128, 24)
