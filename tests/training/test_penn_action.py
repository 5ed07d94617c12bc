"""Penn Action, on tiny made-up copies of the official layout and on the real labels where they are present."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io

from tests.training import made_up
from tests.training.real_data import DATA, needs_data
from training.datasets import penn_action
from training.datasets.errors import DatasetError
from training.datasets.penn_action import PennLabels
from training.datasets.person import SKELETON


def read(root: Path, **changed: Any) -> PennLabels:
    """A label file with some variables changed, read back."""
    made_up.save(root / "0007.mat", made_up.penn_labels() | changed)
    return penn_action.read_labels(root / "0007.mat")


def test_joints_are_zero_based_and_in_the_served_order(tmp_path: Path) -> None:
    """x is 10 plus the official index, 1-based: the left wrist, seventh in the file, lies at 15."""
    labels = read(tmp_path)
    assert labels.joints[0, SKELETON.index("left_wrist")].tolist() == [15.0, 15.0]
    assert labels.joints[2, SKELETON.index("right_ankle")].tolist() == [20.0, 22.0]


def test_official_order_has_the_right_side_first() -> None:
    """The same 13 joints as the served skeleton, sides exchanged."""
    assert set(penn_action.JOINTS_13) == set(SKELETON.joints)
    assert tuple(SKELETON.joints[k] for k in SKELETON.mirrored()) == penn_action.JOINTS_13


def test_unsigned_bytes_do_not_wrap_round(tmp_path: Path) -> None:
    """0 in an unsigned byte is -1 in 0-based pixels, not 255, and a box from 200 to 100 has no area."""
    x = np.zeros((4, 13), np.uint8)
    bbox = np.array([[5, 6, 45, 66], [200, 6, 100, 66], [9, 6, 45, 66], [9, 6, 45, 66]], np.uint8)
    labels = read(tmp_path, x=x, bbox=bbox)
    assert (labels.joints[..., 0] == -1).all()
    assert labels.boxes[1].tolist() == labels.boxes[0].tolist()


def test_box_is_corners_less_one(tmp_path: Path) -> None:
    """x1 y1 x2 y2, 1-based, to x y w h, 0-based; the longer side stays x2 - x1 or y2 - y1 as papers measure it."""
    assert read(tmp_path).boxes[1].tolist() == [5.0, 5.0, 40.0, 60.0]


def test_box_table_one_row_short_repeats_its_last_row(tmp_path: Path) -> None:
    """Clips 1154 and 1865 are like that."""
    labels = read(tmp_path, bbox=made_up.penn_labels()["bbox"][:-1])
    assert len(labels.boxes) == 4
    assert labels.boxes[3].tolist() == labels.boxes[2].tolist()


def test_box_table_of_another_length_is_refused(tmp_path: Path) -> None:
    """One row short is known; more is a broken file."""
    with pytest.raises(DatasetError, match=r"expected bbox \[4, 4\], got \[2, 4\]"):
        read(tmp_path, bbox=made_up.penn_labels()["bbox"][:2])


def test_box_without_area_takes_the_nearest_frames_box(tmp_path: Path) -> None:
    """Frame 0 and 1 take frame 2's, which is nearest to both."""
    bbox = made_up.penn_labels()["bbox"]
    bbox[:2, 2:] = bbox[:2, :2]
    boxes = read(tmp_path, bbox=bbox).boxes
    assert boxes[0].tolist() == boxes[1].tolist() == boxes[2].tolist() == [6.0, 5.0, 40.0, 60.0]


def test_clip_without_any_box_is_refused(tmp_path: Path) -> None:
    """There is nothing to take."""
    with pytest.raises(DatasetError, match="no frame has a box with an area"):
        read(tmp_path, bbox=np.full((4, 4), 7, np.uint8))


def test_invisible_joint_is_not_labelled_and_keeps_its_coordinates(tmp_path: Path) -> None:
    """The right shoulder of the made-up clip is out of sight at (1, 1)."""
    labels = read(tmp_path)
    shoulder = SKELETON.index("right_shoulder")
    assert np.flatnonzero(~labels.visible[0]).tolist() == [shoulder]
    assert labels.joints[0, shoulder].tolist() == [0.0, 0.0]


def test_tables_that_disagree_with_nframes_are_refused(tmp_path: Path) -> None:
    """A label file is consistent or an error."""
    with pytest.raises(DatasetError, match=r"expected x, y, visibility \[5, 13\]"):
        read(tmp_path, nframes=np.uint8(5))


def test_split_goes_by_the_train_flag(tmp_path: Path) -> None:
    """1 is training, -1 is testing."""
    made_up.penn_tree(tmp_path, {"0001": made_up.penn_labels(), "0002": made_up.penn_labels(train=-1)})
    assert penn_action.part_names(tmp_path, "train") == ["0001"]
    assert penn_action.part_names(tmp_path, "test") == ["0002"]


def test_another_train_flag_is_refused(tmp_path: Path) -> None:
    """0 says neither."""
    with pytest.raises(DatasetError, match="expected train to be 1 or -1"):
        read(tmp_path, train=np.int32(0))


def test_clip_has_its_frames_action_and_the_pictures_own_size(tmp_path: Path) -> None:
    """`dimensions` says 480x270 of pictures of 72x96; the picture is right."""
    made_up.penn_tree(tmp_path, {"0001": made_up.penn_labels()})
    [clip] = penn_action.read_clips(tmp_path, ["0001"])
    assert (len(clip), clip.action) == (4, "golf_swing")
    assert clip.frames[0].shape == (72, 96, 3)
    assert [round(float(frame.mean()), -1) for frame in clip.frames] == [0, 10, 20, 30]


def test_frames_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    """A clip costs no memory until then; what has become of its picture is told then, with the file's name."""
    made_up.penn_tree(tmp_path, {"0001": made_up.penn_labels()})
    [clip] = penn_action.read_clips(tmp_path, ["0001"])
    cv2.imwrite(str(tmp_path / "frames/0001/000001.jpg"), np.full((8, 8, 3), 200, np.uint8))
    assert clip.frames[0].shape == (8, 8, 3)
    (tmp_path / "frames/0001/000002.jpg").unlink()
    (tmp_path / "frames/0001/000003.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"000002\.jpg: cannot be read"):
        clip.frames[1]
    with pytest.raises(DatasetError, match=r"000003\.jpg: 0 bytes that are not an image"):
        clip.frames[2]


def test_colours_are_red_first(tmp_path: Path) -> None:
    """OpenCV reads blue first."""
    made_up.penn_tree(tmp_path, {"0001": made_up.penn_labels(frames=1)})
    cv2.imwrite(str(tmp_path / "frames/0001/000001.jpg"), np.full((8, 8, 3), (0, 0, 250), np.uint8))
    [clip] = penn_action.read_clips(tmp_path, ["0001"])
    assert clip.frames[0][4, 4].argmax() == 0


@pytest.mark.parametrize("extra", [True, False])
def test_frames_on_disk_that_disagree_with_the_labels_are_refused(tmp_path: Path, extra: bool) -> None:
    """One frame more or less would shift or cut the clip without a word."""
    made_up.penn_tree(tmp_path, {"0001": made_up.penn_labels()})
    folder = tmp_path / "frames" / "0001"
    (folder / "000004.jpg").rename(folder / "000005.jpg") if extra else (folder / "000004.jpg").unlink()
    with pytest.raises(DatasetError, match=r"the labels have 4 frames, .* found \d frames, 000001\.jpg to"):
        next(penn_action.read_clips(tmp_path, ["0001"]))


@needs_data
def test_real_labels_are_all_read() -> None:
    """119 files: every box has an area and holds the visible joints, but for 1021, whose boxes are cut off."""
    files = sorted((DATA / "Penn_Action" / "labels").glob("*.mat"))
    clips = [penn_action.read_labels(path) for path in files]
    assert len(clips) == 119
    assert sum(clip.train for clip in clips) == 58
    for clip in clips:
        assert (clip.boxes[:, 2:] > 0).all()
        low, size = clip.boxes[:, None, :2], clip.boxes[:, None, 2:]
        inside = np.all((clip.joints >= low - 2) & (clip.joints <= low + size + 2), axis=-1)
        assert bool(inside[clip.visible].all()) == (clip.name != "1021"), clip.name


@needs_data
@pytest.mark.parametrize(("name", "frames"), [("1154", 72), ("1865", 73)])
def test_real_clips_with_a_short_box_table_repeat_its_last_row(name: str, frames: int) -> None:
    """The file has one row fewer than the clip has frames."""
    path = DATA / "Penn_Action" / "labels" / f"{name}.mat"
    labels = penn_action.read_labels(path)
    assert len(scipy.io.loadmat(path)["bbox"]) == frames - 1
    assert len(labels) == len(labels.boxes) == frames
    np.testing.assert_array_equal(labels.boxes[-1], labels.boxes[-2])


@needs_data
def test_real_integer_labels_agree_with_a_plain_reading() -> None:
    """Files with unsigned coordinates, one number after the other through Python's own integers."""
    for path in sorted((DATA / "Penn_Action" / "labels").glob("*.mat")):
        raw = scipy.io.loadmat(path)
        if raw["x"].dtype.kind == "f":
            continue
        joints = penn_action.read_labels(path).joints
        for i, name in enumerate(penn_action.JOINTS_13):
            expected = [[int(x) - 1, int(y) - 1] for x, y in zip(raw["x"][:, i], raw["y"][:, i], strict=True)]
            assert joints[:, SKELETON.index(name)].tolist() == expected
