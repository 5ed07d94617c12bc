"""All 15 joints of JHMDB: neck and belly beside the served 13, in readers, samples and the metric."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.skeletons import JHMDB_15, KINEPOSE_13
from tests.training import made_up
from training.config import AugmentConfig, RunConfig
from training.datasets import catalog, jhmdb
from training.datasets.person import in_skeleton
from training.evaluation.metrics import ClipResult, pck_of
from training.samples.augment import random_transform, render, without_person


def test_the_served_joints_come_first() -> None:
    """Whatever reads the first 13 reads the served skeleton."""
    assert JHMDB_15.joints[:13] == KINEPOSE_13.joints
    assert set(JHMDB_15.joints) == set(jhmdb.JOINTS_15)


def test_the_reader_gives_neck_and_belly(tmp_path: Path) -> None:
    """They are found by name and labelled in every frame; the others are as the 13-joint reader gives them."""
    [(name, joints)] = made_up.jhmdb_tree(tmp_path, ["walk/one"]).items()
    clip, served = jhmdb.read_clip(tmp_path, name, JHMDB_15), jhmdb.read_clip(tmp_path, name)
    np.testing.assert_allclose(clip.joints[:, JHMDB_15.index("belly")], joints[:, 1].T - 1, atol=1e-4)
    np.testing.assert_array_equal(clip.joints[:, :13], served.joints)
    assert clip.labelled.all()


def test_the_catalog_reads_folds_with_15_joints(tmp_path: Path) -> None:
    """`sub-jhmdb-15` has the folds of `sub-jhmdb`."""
    made_up.jhmdb_tree(tmp_path / "JHMDB", ["walk/one"])
    (tmp_path / "JHMDB" / "sub_splits").mkdir()
    (tmp_path / "JHMDB" / "sub_splits" / "walk_test_split_2.txt").write_text("one.avi 1\n")
    [clip] = catalog.read(tmp_path, "sub-jhmdb-15", "train2")
    assert clip.skeleton is JHMDB_15


def test_a_fold_is_chosen_for_15_joints_too() -> None:
    """--fold 3 turns train1 into train3."""
    stage = {"name": "a", "kind": "clips", "optimizer": {"rate": 1.0}, "phases": [{"steps": 1, "size": 64, "batch": 1}]}
    clips = [{"dataset": "sub-jhmdb-15", "part": "train1"}]
    config = RunConfig.model_validate({"model": "kimnet-lite", "clips": clips, "stages": [stage]})
    assert config.with_fold(3).clips[0].part == "train3"


def test_a_clip_in_a_larger_skeleton_lacks_labels_only() -> None:
    """Joints keep their places; those that the clip does not have are not labelled."""
    clip = made_up.moving(3)
    larger = in_skeleton(clip, JHMDB_15)
    np.testing.assert_array_equal(larger.joints[:, :13], clip.joints)
    assert larger.labelled[:, :13].all()
    assert not larger.labelled[:, 13:].any()


def test_mirroring_keeps_neck_and_belly() -> None:
    """A mirror image swaps left and right; what lies in the middle stays."""
    clip = in_skeleton(made_up.moving(1), JHMDB_15)
    clip = replace(clip, labelled=np.ones((1, 15), bool))
    config = AugmentConfig(flip=1.0, turned=0.0)
    transform = random_transform(clip, 0, 64, config, np.random.default_rng(0))
    flipped, plain = render(clip, 0, transform).cells, render(clip, 0, replace(transform, flip=False)).cells
    mirrored_x = 15 - plain[:, 0]
    np.testing.assert_allclose(flipped[[0, 13, 14], 0], mirrored_x[[0, 13, 14]], atol=1e-3)
    np.testing.assert_allclose(
        flipped[JHMDB_15.index("left_hip"), 0], mirrored_x[JHMDB_15.index("right_hip")], atol=1e-3
    )
    assert without_person(clip, 0, 64, np.random.default_rng(0)).cells.shape == (15, 2)


def test_the_mean_counts_all_15() -> None:
    """A belly that is missed lowers the mean by a fifteenth."""
    truth = np.zeros((4, 15, 2), np.float32)
    truth[:, JHMDB_15.index("left_shoulder")] = (0, 100)
    wrong = truth.copy()
    wrong[:, JHMDB_15.index("belly")] += 90
    boxes = np.tile(np.array([0, 0, 100, 100], np.float32), (4, 1))
    everywhere = np.ones((4, 15), bool)
    result = ClipResult("a", "", wrong, truth, everywhere, boxes, np.ones((4, 15), np.float32), JHMDB_15)
    for normaliser in ("person", "torso"):
        found = pck_of([result], normaliser)
        assert found.mean == pytest.approx(100 * 14 / 15)
        assert found.per_joint["belly"] == 0.0
