"""Dataset readers, on tiny made-up copies of the official layouts and on the real data where it is present."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tests.training import made_up
from training.datasets import jhmdb, lspet
from training.datasets.person import SKELETON

NAMES = ["walk/one", "golf/two"]


def test_jhmdb_joints_are_zero_based_and_in_the_served_order(tmp_path: Path) -> None:
    """MATLAB's pixel 1 is our pixel 0, and every joint is found by its name."""
    written = made_up.jhmdb_tree(tmp_path, NAMES)
    clip = jhmdb.read_clip(tmp_path, NAMES[0])
    np.testing.assert_allclose(clip.joints, made_up.served_order(written[NAMES[0]]), atol=1e-4)


def test_jhmdb_box_is_the_extent_of_the_mask(tmp_path: Path) -> None:
    """Rows 5..39 and columns 8..59 span 4.5..39.5 and 7.5..59.5 in pixel-centre coordinates."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    clip = jhmdb.read_clip(tmp_path, NAMES[0])
    np.testing.assert_allclose(clip.boxes[0], [7.5, 4.5, 52.0, 35.0])
    np.testing.assert_allclose(clip.boxes[3], [7.5, 7.5, 52.0, 35.0])


def test_jhmdb_frame_without_a_mask_takes_the_nearest_box(tmp_path: Path) -> None:
    """A hole in the masks does not lose the frame."""
    mask = np.zeros((20, 20, 3), np.uint8)
    mask[2:5, 2:5, 0] = mask[10:15, 10:15, 2] = 1
    scipy.io.savemat(tmp_path / "m.mat", {"part_mask": mask})
    boxes = jhmdb.read_boxes(tmp_path / "m.mat")
    np.testing.assert_allclose(boxes[1], boxes[0])


def test_jhmdb_clip_whose_lengths_disagree_is_refused(tmp_path: Path) -> None:
    """Labels for more frames than the video has are an error that names the clip and the counts."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    made_up._video(tmp_path / "ReCompress_Videos" / f"{NAMES[0]}.avi", 4)
    with pytest.raises(ValueError, match="walk/one: 4 frames, 6 joint rows"):
        jhmdb.read_clip(tmp_path, NAMES[0])


def test_jhmdb_split_has_no_clip_in_two_parts() -> None:
    """488 clips to train on, 29 to tune on, 58 to measure on, and none of them twice."""
    parts = [jhmdb.split_names(part) for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [488, 29, 58]
    assert len({name for part in parts for name in part}) == 488 + 29 + 58


def test_lspet_unlabelled_joints_are_masked(tmp_path: Path) -> None:
    """Flag 0 means not labelled; the head needs both neck and head top."""
    labels = np.ones((2, 14, 3)) * 30.0
    labels[:, :, 2] = 1
    labels[0, lspet.JOINTS_14.index("left_knee"), 2] = 0
    labels[1, lspet.JOINTS_14.index("neck"), 2] = 0
    made_up.lspet_tree(tmp_path, labels)
    first, second = lspet.read_clips(tmp_path, lspet.part_names(tmp_path, "train"))
    assert [SKELETON.joints[k] for k in np.flatnonzero(~first.labelled[0])] == ["left_knee"]
    assert [SKELETON.joints[k] for k in np.flatnonzero(~second.labelled[0])] == ["head"]


def test_lspet_head_lies_between_neck_and_head_top() -> None:
    """The face is 0.45 neck + 0.55 head top, in 0-based pixels."""
    row = np.zeros((14, 3))
    row[12], row[13] = (11, 21, 1), (11, 11, 1)
    xy, labelled = lspet.to_skeleton(row)
    np.testing.assert_allclose(xy[0], [10.0, 20 - 5.5])
    assert labelled[0]
    assert labelled.sum() == 1


def test_lspet_picture_with_hardly_a_label_is_left_out(tmp_path: Path) -> None:
    """Two joints do not tell where a person is."""
    labels = np.zeros((1, 14, 3))
    labels[0, :2] = (5, 5, 1)
    made_up.lspet_tree(tmp_path, labels)
    assert list(lspet.read_clips(tmp_path, lspet.part_names(tmp_path, "train"))) == []


@pytest.mark.skipif("KINEPOSE_DATA" not in os.environ, reason="KINEPOSE_DATA does not name the data folder")
def test_real_jhmdb_test_part_has_the_published_size() -> None:
    """58 clips and 2,054 frames whose joints, masks and decoded frames agree."""
    root = Path(os.environ["KINEPOSE_DATA"]) / "JHMDB"
    clips = list(jhmdb.read_clips(root, jhmdb.split_names("test")))
    assert (len(clips), sum(map(len, clips))) == (58, 2054)
