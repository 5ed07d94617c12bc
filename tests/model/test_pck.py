"""PCK by hand."""

import math

import numpy as np
import pytest

from model.pck import pck, person_size, torso_size
from model.skeletons import KINEPOSE_13 as SKELETON
from model.values import Array

K = len(SKELETON)


def poses(frames: int = 1) -> Array:
    """Poses with all joints at the origin."""
    return np.zeros((frames, K, 2))


def test_a_joint_on_the_limit_is_found_and_one_beyond_is_not() -> None:
    """The tolerance is alpha times the size, the limit included."""
    predicted = poses()
    predicted[0, 0] = (12, 16)  # 20 px away
    predicted[0, 1] = (20.01, 0)

    measured = pck(predicted, poses(), np.array([100.0]), SKELETON, alpha=0.2)

    assert (measured.per_joint["head"], measured.per_joint["left_shoulder"]) == (100.0, 0.0)
    assert measured.mean == pytest.approx(100 * 12 / 13)
    assert measured.joints == 13


def test_each_frame_has_its_own_size() -> None:
    """A person who comes nearer gets more tolerance."""
    predicted = poses(2)
    predicted[:, 3] = (15, 0)

    measured = pck(predicted, poses(2), np.array([50.0, 100.0]), SKELETON)

    assert measured.per_joint["left_elbow"] == 50.0


def test_joints_without_label_do_not_count() -> None:
    """Neither as found nor as missed; one never labelled has no percentage."""
    labelled = np.ones((2, K), bool)
    labelled[:, 0] = False
    labelled[0, 1] = False
    predicted = poses(2)
    predicted[0, 1] = (99, 99)

    measured = pck(predicted, poses(2), np.array([10.0, 10.0]), SKELETON, labelled=labelled)

    assert "head" not in measured.per_joint
    assert measured.mean == 100.0
    assert measured.joints == 26 - 3


def test_every_joint_weighs_the_same() -> None:
    """A joint that is labelled in more frames counts for more in the mean."""
    labelled = np.zeros((3, K), bool)
    labelled[:, 5] = True
    labelled[0, 6] = True
    predicted = poses(3)
    predicted[:, 6] = (99, 99)

    assert pck(predicted, poses(3), np.full(3, 10.0), SKELETON, labelled=labelled).mean == 75.0


def test_a_prediction_that_is_no_number_is_a_miss() -> None:
    """NaN is no place."""
    predicted = poses()
    predicted[0, 0] = np.nan

    assert pck(predicted, poses(), np.array([10.0]), SKELETON).per_joint["head"] == 0.0


def test_nothing_labelled_is_no_percentage() -> None:
    """Zero of zero is not a hundred."""
    assert math.isnan(pck(poses(0), poses(0), np.zeros(0), SKELETON).mean)


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Broadcasting would hide a mistake."""
    with pytest.raises(ValueError, match="expected"):
        pck(poses(2), poses(1), np.ones(2), SKELETON)


def test_person_size_is_the_longer_side() -> None:
    """Of x, y, w, h."""
    assert person_size(np.array([[500.0, 500, 30, 80], [0, 0, 90, 80]])).tolist() == [80, 90]


def test_torso_runs_from_left_shoulder_to_right_hip() -> None:
    """And where its label has no length, the prediction's torso stands in."""
    truth, predicted = poses(2), poses(2)
    truth[0, SKELETON.index("left_shoulder")] = (30, 40)
    predicted[1, SKELETON.index("right_hip")] = (0, 7)

    assert torso_size(truth, predicted, SKELETON).tolist() == [50.0, 7.0]
