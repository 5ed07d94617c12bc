"""COCO's keypoints from the official layout: who is read, where the head lies, and what a wrong layout says."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model.values import Array
from tests.training.real_data import DATA, needs_data
from training.datasets import catalog, coco
from training.datasets.errors import DatasetError
from training.datasets.person import SKELETON

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
FACE = np.array([(50.0, 20.0), (55.0, 15.0), (45.0, 15.0), (62.0, 18.0), (38.0, 18.0)])


def keypoints(*, without: tuple[str, ...] = ()) -> Array:
    """A person [17, 3] all of whose joints are labelled but those; each lies at a place of its own."""
    points = np.column_stack([10.0 + 5 * np.arange(17), 90.0 - 4 * np.arange(17), np.full(17, 2.0)])
    points[:5, :2] = FACE
    for name in without:
        points[coco.JOINTS_17.index(name)] = 0
    return points


def person(number: int, points: Array | None = None, **change: Any) -> dict[str, Any]:
    """An annotation of picture 1."""
    flat = (keypoints() if points is None else points).reshape(-1).tolist()
    return {"id": number, "image_id": 1, "bbox": [5.0, 6.0, 80.0, 90.0], "iscrowd": 0, "keypoints": flat} | change


def tree(root: Path, people: list[dict[str, Any]], part: str = "train", folder: str = "images") -> Path:
    """COCO with one grey picture and those people in it."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / folder / "000001.jpg"), np.full((100, 120, 3), 90, np.uint8))
    (root / "annotations").mkdir(exist_ok=True)
    content = {"images": [{"id": 1, "file_name": "000001.jpg"}], "annotations": people}
    (root / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(content))
    return root


def read(root: Path, part: str = "train") -> list[Any]:
    """All people of a part."""
    return list(coco.read_clips(root, coco.part_names(root, part)))


def head(known: tuple[int, ...]) -> tuple[Array, bool]:
    """Where the head of a person lies of whose face only those points are labelled."""
    points = keypoints()
    points[[i for i in range(5) if i not in known], 2] = 0
    joints, labelled = coco.to_skeleton(points)
    return joints[SKELETON.index("head")], bool(labelled[SKELETON.index("head")])


def test_every_person_is_a_picture_of_its_own(tmp_path: Path) -> None:
    """Two people in one file are two clips, named by file and annotation."""
    clips = read(tree(tmp_path, [person(7), person(8)]))
    assert [clip.name for clip in clips] == ["000001.jpg#7", "000001.jpg#8"]
    assert [len(clip) for clip in clips] == [1, 1]
    assert clips[0].frames[0].shape == (100, 120, 3)


def test_joints_are_found_by_their_names(tmp_path: Path) -> None:
    """All twelve limb joints, in pixels as they are written: 0 is the first."""
    [clip] = read(tree(tmp_path, [person(1)]))
    for name in SKELETON.joints:
        if name != "head":
            expected = keypoints()[coco.JOINTS_17.index(name), :2]
            np.testing.assert_allclose(clip.joints[0, SKELETON.index(name)], expected)
    assert clip.labelled.all()


def test_joints_without_a_label_are_masked(tmp_path: Path) -> None:
    """v = 0 means not labelled; 1 is labelled and hidden, and counts."""
    points = keypoints(without=("left_knee",))
    points[coco.JOINTS_17.index("right_wrist"), 2] = 1
    [clip] = read(tree(tmp_path, [person(1, points)]))
    assert [SKELETON.joints[k] for k in np.flatnonzero(~clip.labelled[0])] == ["left_knee"]


def test_a_box_counts_from_the_corner_of_the_first_pixel(tmp_path: Path) -> None:
    """COCO's 0 is that corner, ours the pixel's middle."""
    [clip] = read(tree(tmp_path, [person(1)]))
    np.testing.assert_allclose(clip.boxes[0], [4.5, 5.5, 80.0, 90.0])


@pytest.mark.parametrize(
    "change",
    [
        {"iscrowd": 1},
        {"bbox": [5.0, 6.0, 60.0, 63.0]},
        {"keypoints": keypoints(without=coco.JOINTS_17[7:]).reshape(-1).tolist()},
    ],
    ids=["a crowd", "a small person", "three joints"],
)
def test_people_who_teach_little_are_left_out(tmp_path: Path, change: dict[str, Any]) -> None:
    """Crowds, boxes below 64 pixels, and fewer than five joints."""
    assert coco.part_names(tree(tmp_path, [person(1, **change), person(2)]), "train") == ["000001.jpg#2"]


def test_the_head_is_the_middle_of_the_ears() -> None:
    """That is where JHMDB has it; nose and eyes change nothing."""
    place, labelled = head((NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR))
    np.testing.assert_allclose(place, [50.0, 18.0])
    assert labelled


def test_the_head_of_a_profile_is_the_ear_that_is_seen() -> None:
    """One ear and at most one eye: the ear covers the head's middle."""
    for known in ((NOSE, LEFT_EYE, LEFT_EAR), (LEFT_EAR,)):
        np.testing.assert_allclose(head(known)[0], FACE[LEFT_EAR])


@pytest.mark.parametrize("known", [(NOSE, LEFT_EYE, RIGHT_EYE), (NOSE, LEFT_EYE, RIGHT_EYE, RIGHT_EAR), (NOSE,)])
def test_otherwise_the_head_is_the_mean_of_what_is_seen(known: tuple[int, ...]) -> None:
    """From the front without ears, or half from the side."""
    np.testing.assert_allclose(head(known)[0], FACE[list(known)].mean(axis=0), rtol=1e-6)


def test_a_head_that_is_not_seen_is_not_labelled() -> None:
    """Nothing of the face: no guess."""
    assert head(())[1] is False


def test_official_names_of_files_and_folders_are_found(tmp_path: Path) -> None:
    """Annotations that end in the year, pictures in train2017."""
    [clip] = read(tree(tmp_path, [person(1)], part="train2017", folder="train2017"))
    assert clip.frames[0].shape == (100, 120, 3)


def test_the_catalog_reads_it(tmp_path: Path) -> None:
    """By name and part, as configs do."""
    tree(tmp_path / "COCO", [person(1)], part="val")
    assert [clip.name for clip in catalog.read(tmp_path, "coco", "val")] == ["000001.jpg#1"]


def test_a_part_without_annotations_is_an_error(tmp_path: Path) -> None:
    """The file that was looked for is named."""
    with pytest.raises(DatasetError, match=r"no annotations/person_keypoints_val\.json"):
        coco.part_names(tree(tmp_path, [person(1)]), "val")


@pytest.mark.parametrize("text", ["no json", "[]", '{"images": []}', '{"images": [], "annotations": [{"id": 1}]}'])
def test_annotations_of_another_kind_are_named(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with the file, the error says which."""
    tree(tmp_path, [])
    (tmp_path / "annotations" / "person_keypoints_train.json").write_text(text)
    with pytest.raises(DatasetError, match=r"person_keypoints_train\.json: not COCO's keypoint annotations"):
        coco.part_names(tmp_path, "train")


def test_a_person_of_no_annotation_is_named(tmp_path: Path) -> None:
    """As after the files were changed under a list of names."""
    with pytest.raises(DatasetError, match=r"no usable person '000001\.jpg#9'"):
        list(coco.read_clips(tree(tmp_path, [person(1)]), ["000001.jpg#9"]))


@needs_data
def test_real_coco_has_its_people() -> None:
    """4,882 to train on and 302 to tune on, no picture in both."""
    train, val = (coco.part_names(DATA / "COCO", part) for part in ("train", "val"))
    assert (len(train), len(val)) == (4882, 302)
    assert not {name.partition("_")[0] for name in train} & {name.partition("_")[0] for name in val}
