"""LSP and its extension, on tiny made-up copies of the official layouts and on real data where it is present."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.values import Array
from tests.training import made_up
from tests.training.real_data import DATA, needs_data
from training.datasets import lsp, lspet
from training.datasets.errors import DatasetError
from training.datasets.files import read_image
from training.datasets.leeds import JOINTS_14, to_skeleton
from training.datasets.person import SKELETON

LABELS = hnp.arrays(np.float64, (14, 2), elements=st.floats(-50, 400)).flatmap(
    lambda xy: hnp.arrays(np.bool_, (14,)).map(lambda flag: np.column_stack([xy, flag]))
)


def labelled(*joints: str) -> Array:
    """One picture's labels [14, 3] with those joints labelled at (30, 40)."""
    row = np.zeros((14, 3))
    for joint in joints:
        row[JOINTS_14.index(joint)] = (30, 40, 1)
    return row


@given(LABELS)
def test_every_limb_joint_is_found_by_its_name(row: Array) -> None:
    """Back to the official order and to 1-based pixels, all 12 limb joints are as they were."""
    xy, flags = to_skeleton(row)
    limbs = [joint for joint in JOINTS_14 if joint not in ("neck", "head_top")]
    served = [SKELETON.index(joint) for joint in limbs]
    np.testing.assert_allclose(xy[served] + 1, row[:12, :2], atol=1e-3)
    np.testing.assert_array_equal(flags[served], row[:12, 2] > 0)


def test_unlabelled_joints_are_masked(tmp_path: Path) -> None:
    """Flag 0 means not labelled; the head needs both neck and head top."""
    labels = np.ones((2, 14, 3)) * 30.0
    labels[:, :, 2] = 1
    labels[0, JOINTS_14.index("left_knee"), 2] = 0
    labels[1, JOINTS_14.index("neck"), 2] = 0
    made_up.lspet_tree(tmp_path, labels)
    first, second = lspet.read_clips(tmp_path, lspet.part_names(tmp_path, "train"))
    assert [SKELETON.joints[k] for k in np.flatnonzero(~first.labelled[0])] == ["left_knee"]
    assert [SKELETON.joints[k] for k in np.flatnonzero(~second.labelled[0])] == ["head"]


def test_head_lies_between_neck_and_head_top() -> None:
    """The face is 0.45 neck + 0.55 head top, in 0-based pixels."""
    row = np.zeros((14, 3))
    row[12], row[13] = (11, 21, 1), (11, 11, 1)
    xy, flags = to_skeleton(row)
    np.testing.assert_allclose(xy[0], [10.0, 20 - 5.5])
    assert flags[0]
    assert flags.sum() == 1


def test_picture_with_hardly_a_label_is_left_out(tmp_path: Path) -> None:
    """Two joints do not tell where a person is."""
    made_up.lspet_tree(tmp_path, labelled("left_knee", "left_hip")[None])
    assert list(lspet.read_clips(tmp_path, lspet.part_names(tmp_path, "train"))) == []


def test_pictures_of_val_are_left_out_of_train(tmp_path: Path) -> None:
    """im03959 is im01803 of val, and im03597 is im04787, each cut a little differently."""
    (tmp_path / "train.txt").write_text("im00001.jpg\nim03597.jpg\nim03959.jpg\nim04787.jpg\n")
    (tmp_path / "val.txt").write_text("im01803.jpg\nim04787.jpg\n")
    assert lspet.part_names(tmp_path, "train") == ["im00001.jpg", "im04787.jpg"]
    assert lspet.part_names(tmp_path, "val") == ["im01803.jpg", "im04787.jpg"]


@needs_data
@pytest.mark.parametrize(("val", "train"), [("im01803.jpg", "im03959.jpg"), ("im04787.jpg", "im03597.jpg")])
def test_real_pictures_that_are_left_out_are_those_of_val(val: str, train: str) -> None:
    """Side by side they are one picture; the mirror image of the other is not."""
    root = DATA / "LSPET"
    one, other = (
        cv2.resize(read_image(root / "images" / name), (32, 32), interpolation=cv2.INTER_AREA).astype(float)
        for name in (val, train)
    )
    assert 2 * np.abs(one - other).mean() < np.abs(one - other[:, ::-1]).mean()
    assert train in lspet.LEFT_OUT
    assert val in (root / "val.txt").read_text().split()
    assert train in (root / "train.txt").read_text().split()


@pytest.mark.parametrize("name", ["im00009.jpg", "im00000.jpg", "picture.jpg"])
def test_listed_picture_beyond_the_labels_is_named(tmp_path: Path, name: str) -> None:
    """Number 0 would otherwise silently read the last row."""
    made_up.lspet_tree(tmp_path, np.ones((2, 14, 3)))
    with pytest.raises(DatasetError, match=f"no labels for '{name}'; expected im00001.jpg to im00002.jpg"):
        list(lspet.read_clips(tmp_path, [name]))


def test_broken_picture_is_named(tmp_path: Path) -> None:
    """A file that is no image stops the reading and says which."""
    made_up.lspet_tree(tmp_path, np.ones((2, 14, 3)))
    (tmp_path / "images" / "im00002.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"im00002\.jpg: 8 bytes that are not an image"):
        list(lspet.read_clips(tmp_path, lspet.part_names(tmp_path, "train")))


@pytest.mark.parametrize("occluded", [0, 1])
def test_lsp_flag_means_occluded_and_all_joints_count(tmp_path: Path, occluded: int) -> None:
    """The extension's rule would lose every joint in sight."""
    written = made_up.lsp_tree(tmp_path, [7], occluded)
    [clip] = lsp.read_clips(tmp_path, ["im0007.jpg"])
    assert clip.labelled.all()
    ankle = clip.joints[0, SKELETON.index("left_ankle")]
    np.testing.assert_allclose(ankle, written[6, JOINTS_14.index("left_ankle")] - 1, atol=1e-4)


def test_lsp_parts_are_the_first_and_the_second_thousand() -> None:
    """The official division goes by the picture's number, from 1."""
    train, test = lsp.part_names("train"), lsp.part_names("test")
    assert (train[0], train[-1], test[0], test[-1]) == ("im0001.jpg", "im1000.jpg", "im1001.jpg", "im2000.jpg")


def test_labels_of_the_extension_in_place_of_lsp_are_refused(tmp_path: Path) -> None:
    """Both files are named joints.mat; their axes and flags differ."""
    made_up.save(tmp_path / "joints.mat", {"joints": np.zeros((14, 3, 50))})
    with pytest.raises(DatasetError, match=r"expected joints \[3, 14, 2000\] \(LSP\), got \[14, 3, 50\]"):
        lsp.read_labels(tmp_path / "joints.mat")


@needs_data
def test_real_lspet_val_is_read_whole() -> None:
    """293 pictures, of which 4 lack a joint or some."""
    clips = list(lspet.read_clips(DATA / "LSPET", lspet.part_names(DATA / "LSPET", "val")))
    assert len(clips) == 293
    assert sum(not clip.labelled.all() for clip in clips) == 4
