"""Heatmaps: joints come back from their blobs to a twentieth of a cell, and any finite map gives a joint."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.heatmaps import SIGMA, decode, newton_step
from model.values import Array
from tests.support.blobs import blobs

SIZE = 64
BORDER = 5

REACH = 8
TAPS = np.exp(-(np.arange(-REACH, REACH + 1) ** 2) / (2 * SIGMA**2))
"""A Gaussian as wide as a target, out to four standard deviations."""

inner_cells = st.tuples(*[st.floats(BORDER, SIZE - 1 - BORDER)] * 2).map(np.array)
maps = st.integers(0, 2**32 - 1).map(lambda seed: _random_maps(seed))


def _random_maps(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    peaks = blobs(rng.uniform(0, SIZE - 1, (4, 2)), SIZE)
    noise = rng.normal(0, 0.05, peaks.shape)
    return np.asarray(peaks * rng.uniform(0.2, 1.1, (4, 1, 1)) + noise, np.float32)


@given(inner_cells, st.floats(0.3, 1.0))
def test_joint_comes_back_from_its_blob(xy: Array, height: float) -> None:
    """Away from the border a blob's centre is found within 0.05 cells, wherever it lies between cells."""
    cells, score = decode(blobs(xy[None], SIZE) * np.float32(height))
    assert np.abs(cells[0] - xy).max() < 0.05
    assert 0.85 * height < score[0] <= height + 1e-6


@given(maps)
@settings(max_examples=30)
def test_scores_are_probabilities(heatmaps: Array) -> None:
    """A score is in [0, 1], whatever the network puts out; joints lie on the map."""
    for scale in (1.0, -1.0, 50.0):
        cells, score = decode(heatmaps * np.float32(scale))
        assert score.dtype == np.float32
        assert ((score >= 0) & (score <= 1)).all()
        assert np.isfinite(cells).all()
        assert ((cells >= -1) & (cells <= SIZE)).all()


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0, 1e-30, 1e6])
def test_flat_map_gives_a_valid_joint(level: float) -> None:
    """A map without any peak still gives a place on the map and a score in [0, 1]."""
    cells, score = decode(np.full((2, SIZE, SIZE), level, np.float32))
    assert ((cells >= 0) & (cells <= SIZE - 1)).all()
    assert ((score >= 0) & (score <= 1)).all()


@pytest.mark.parametrize("x", [0, 31, 63])
@pytest.mark.parametrize("y", [0, 63])
def test_peak_at_the_border_stays_there(x: int, y: int) -> None:
    """A joint on the outermost cells is found within 1.5 cells, and not outside the map."""
    cells, score = decode(blobs(np.array([[x, y]], np.float64), SIZE))
    assert np.abs(cells[0] - [x, y]).max() <= 1.5
    assert ((cells >= 0) & (cells <= SIZE - 1)).all()
    assert score[0] > 0.75


def test_two_blobs_give_the_higher_one() -> None:
    """The joint lies on the higher of two peaks, undisturbed by the other."""
    two = blobs(np.array([[15.3, 40.2], [48.0, 20.0]]), SIZE)
    cells, score = decode((two[0] + 0.7 * two[1])[None])
    np.testing.assert_allclose(cells[0], [15.3, 40.2], atol=0.05)
    assert score[0] == pytest.approx(0.98, abs=0.02)


def _golden(heatmap: Array) -> Array:
    """DARK's eqs. 7-8 in float64: blur, logarithm, m - H^-1 grad with central differences."""
    padded = np.pad(heatmap.astype(np.float64), REACH, mode="reflect")
    taps = TAPS / TAPS.sum()
    rows = sum(t * padded[i : i + SIZE] for i, t in enumerate(taps))
    smooth = sum(t * rows[:, i : i + SIZE] for i, t in enumerate(taps))
    y, x = np.unravel_index(np.argmax(smooth), smooth.shape)
    log = np.log(np.maximum(smooth, 1e-10))
    gradient = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
    dxx = log[y, x + 1] - 2 * log[y, x] + log[y, x - 1]
    dyy = log[y + 1, x] - 2 * log[y, x] + log[y - 1, x]
    dxy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
    step = -np.linalg.solve(np.array([[dxx, dxy], [dxy, dyy]]), gradient)
    return np.asarray(np.array([x, y]) + np.clip(step, -1, 1))


def test_refinement_equals_the_written_out_equations() -> None:
    """On noisy blobs the joint equals an independent float64 computation."""
    rng = np.random.default_rng(7)
    peaks = blobs(rng.uniform(8, SIZE - 9, (20, 2)), SIZE)
    noisy = np.asarray(peaks + rng.normal(0, 0.02, peaks.shape), np.float32)
    cells, _ = decode(noisy)
    np.testing.assert_allclose(cells, [_golden(m) for m in noisy], atol=1e-3)


@given(maps, st.sampled_from([np.float32, np.float16]))
@settings(max_examples=50)
def test_joints_are_decoded_together_as_alone(heatmaps: Array, kind: type) -> None:
    """All joints at once give each the bits that it has by itself."""
    together = decode(heatmaps.astype(kind))
    alone = [decode(heatmap[None].astype(kind)) for heatmap in heatmaps]
    assert together[0].tobytes() == b"".join(cells.tobytes() for cells, _ in alone)
    assert together[1].tobytes() == b"".join(score.tobytes() for _, score in alone)


@given(maps)
@settings(max_examples=50)
def test_the_peak_is_that_of_the_blurred_map(heatmaps: Array) -> None:
    """Every joint as it was read one by one: blur, largest cell, a Newton step from there."""
    cells, score = decode(heatmaps)
    for heatmap, cell, height in zip(heatmaps, cells, score, strict=True):
        smooth = cv2.GaussianBlur(heatmap, (0, 0), SIGMA)
        y, x = (int(i) for i in np.unravel_index(int(smooth.argmax()), smooth.shape))
        dx, dy = newton_step(smooth, x, y)
        assert (float(cell[0]), float(cell[1])) == (x + dx, y + dy)
        assert height == np.float32(np.clip(heatmap[y, x], 0.0, 1.0))
