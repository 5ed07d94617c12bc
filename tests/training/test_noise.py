"""Noise seeds and jitter: small by construction, the same for the same seed, and right on made-up motion."""

import math

import numpy as np
import pytest

from model.engines.base import ModelInput
from tests.support.dots import DotEngine, person, picture
from training.datasets.person import SKELETON
from training.evaluation.jitter import jitter_of
from training.evaluation.metrics import ClipResult
from training.evaluation.noise import HALF_ULP, NoisyEngine, Spread, spread_of


def _read(seed: int) -> np.ndarray:
    engine = NoisyEngine(DotEngine(), seed)
    image = np.zeros((192, 192, 3), np.uint8)
    image[:, :] = picture(person(60, 40, 110), 192, 192).rgb
    [output] = engine.infer([ModelInput(image)])
    return output.m


def test_noise_is_below_a_unit_in_the_last_place_of_half_precision() -> None:
    """No number is moved by more than the constant says, and some are."""
    clean = DotEngine().infer([ModelInput(picture(person(60, 40, 110), 192, 192).rgb)])[0].m
    moved = np.abs(_read(1) - clean)
    assert (moved <= np.abs(clean) * HALF_ULP * 1.001).all()
    assert moved.max() > 0


def test_a_seed_gives_the_same_noise_and_another_seed_other_noise() -> None:
    """So that a figure over seeds can be measured again."""
    np.testing.assert_array_equal(_read(1), _read(1))
    assert (_read(1) != _read(2)).any()


def test_a_spread_has_mean_and_deviation() -> None:
    """Of a sample; a single run has none."""
    assert spread_of([1.0, 3.0]) == Spread(2.0, math.sqrt(2.0), 2)
    assert spread_of([5.0]) == Spread(5.0, 0.0, 1)


def _result(joints: np.ndarray, truth: np.ndarray, labelled: np.ndarray | None = None) -> ClipResult:
    frames = len(joints)
    known = np.ones((frames, len(SKELETON)), bool) if labelled is None else labelled
    boxes = np.tile(np.array([0, 0, 50, 100], np.float32), (frames, 1))
    return ClipResult("clip", "", joints, truth, known, boxes, np.ones(known.shape, np.float32))


def _still(frames: int) -> np.ndarray:
    return np.zeros((frames, len(SKELETON), 2), np.float32)


def test_a_constant_offset_and_a_steady_drift_are_no_jitter() -> None:
    """Only acceleration counts."""
    truth = _still(5)
    drift = truth + np.arange(5, dtype=np.float32)[:, None, None] * 3 + 7
    assert jitter_of([_result(drift, truth)]) == pytest.approx(0.0)


def test_trembling_is_measured_in_percent_of_the_person() -> None:
    """Joints that jump by 1 px to and fro accelerate by 4 px a frame^2: 4 % of a person of 100 px."""
    joints = _still(6)
    joints[::2, :, 0] = 1.0
    joints[1::2, :, 0] = -1.0
    assert jitter_of([_result(joints, _still(6))]) == pytest.approx(4.0)


def test_the_truth_may_accelerate() -> None:
    """A jump that the labels make, too, is none of ours."""
    truth = np.cumsum(np.cumsum(np.ones_like(_still(6)), axis=0), axis=0)
    assert jitter_of([_result(truth.copy(), truth)]) == pytest.approx(0.0)


def test_joints_without_a_label_and_short_clips_do_not_count() -> None:
    """Three frames running must be labelled; a clip of two has none."""
    joints, labelled = _still(5), np.ones((5, len(SKELETON)), bool)
    joints[2, 0] = 50.0
    labelled[2, 0] = False
    assert jitter_of([_result(joints, _still(5), labelled)]) == pytest.approx(0.0)
    assert math.isnan(jitter_of([_result(_still(2), _still(2))]))
