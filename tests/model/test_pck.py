"""PCK by hand."""

import math

import numpy as np
import pytest

from model.pck import pck, person_size, torso_size
from model.skeletons import KINEPOSE_13
from model.values import Array

K = len(KINEPOSE_13)


def poses(frames: int = 1) -> Array:
    """Poses with all joints at the origin."""
    return np.zeros((frames, K, 2))


def test_a_joint_on_the_limit_is_found_and_one_beyond_is_not() -> None:
    """The tolerance is alpha times the size, the limit included."""
    predicted = poses()
    predicted[0, 0] = (12, 16)  # 20 px away
    predicted[0, 1] = (20.01, 0)

    counted = pck(predicted, poses(), np.array([100.0]), alpha=0.2)

    assert counted.hits.tolist() == [1, 0] + [1] * 11
    assert counted.percent == pytest.approx(100 * 12 / 13)


def test_each_frame_has_its_own_size() -> None:
    """A person who comes nearer gets more tolerance."""
    predicted = poses(2)
    predicted[:, 3] = (15, 0)

    counted = pck(predicted, poses(2), np.array([50.0, 100.0]))

    assert counted.by_joint(KINEPOSE_13)["left_elbow"] == 50.0


def test_joints_without_label_do_not_count() -> None:
    """Neither as found nor as missed; one never labelled has no percentage."""
    labelled = np.ones((2, K), bool)
    labelled[:, 0] = False
    labelled[0, 1] = False

    counted = pck(poses(2), poses(2), np.array([10.0, 10.0]), labelled=labelled)

    assert counted.labelled.tolist() == [0, 1] + [2] * 11
    assert "head" not in counted.by_joint(KINEPOSE_13)


def test_clips_add_up_joint_by_joint() -> None:
    """A long clip weighs more than a short one."""
    good = pck(poses(3), poses(3), np.full(3, 10.0))
    bad = pck(poses(1) + 99, poses(1), np.full(1, 10.0))

    assert (good + bad).percent == 75.0


def test_a_prediction_that_is_no_number_is_a_miss() -> None:
    """NaN is no place."""
    predicted = poses()
    predicted[0, 0] = np.nan

    assert pck(predicted, poses(), np.array([10.0])).hits[0] == 0


def test_nothing_labelled_is_no_percentage() -> None:
    """Zero of zero is not a hundred."""
    assert math.isnan(pck(poses(0), poses(0), np.zeros(0)).percent)


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Broadcasting would hide a mistake."""
    with pytest.raises(ValueError, match="expected"):
        pck(poses(2), poses(1), np.ones(2))


def test_person_size_is_the_longer_side() -> None:
    """Of x, y, w, h."""
    assert person_size(np.array([[500.0, 500, 30, 80], [0, 0, 90, 80]])).tolist() == [80, 90]


def test_torso_runs_from_left_shoulder_to_right_hip() -> None:
    """And where its label has no length, the prediction's torso stands in."""
    truth, predicted = poses(2), poses(2)
    truth[0, KINEPOSE_13.index("left_shoulder")] = (30, 40)
    predicted[1, KINEPOSE_13.index("right_hip")] = (0, 7)

    assert torso_size(truth, predicted, KINEPOSE_13).tolist() == [50.0, 7.0]
