"""COCO keypoints (Lin et al. 2014): annotations/person_keypoints_<part>.json and images/, the official layout.

Every person with enough labelled joints is a picture of its own. The official folders train2017/ and val2017/ are
found, too, and so are annotation files whose names end in the year.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model.skeletons import COCO_17
from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import ImageFiles
from training.datasets.person import SKELETON, Clip

JOINTS_17 = COCO_17.joints

MIN_LABELLED = 5
"""With fewer labelled joints of the served skeleton a person teaches little."""

MIN_SIDE = 64.0
"""Longer side of the person's box in pixels: smaller people have labels that are coarse against their size."""

_BODY = [JOINTS_17.index(name) for name in SKELETON.joints if name != "head"]
_HEAD = SKELETON.index("head")
_PLACES = [place for place, name in enumerate(SKELETON.joints) if name != "head"]


def part_names(root: Path, part: str) -> list[str]:
    """Names of the people of a part that can be used, `<file name>#<annotation id>`."""
    return [name for name, _ in _usable(root, part)]


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """Those people as clips of one frame, whose picture is read when it is asked for.

    Raises:
        DatasetError: a name is in no annotation file.
    """
    people = {name: row for part in ("train", "val") if _annotations(root, part) for name, row in _usable(root, part)}
    for name in names:
        if name not in people:
            raise DatasetError(f"COCO: no usable person {name!r} in {root / 'annotations'}")
        yield _person(root, name, people[name])


def to_skeleton(keypoints: Array) -> tuple[Array, Array]:
    """Keypoints [17, 3] (x and y in pixels, v: 0 where not labelled) to joints float32 [K, 2] and labelled bool [K].

    Labels are numbers of pixels, 0 the first, as here: MoveNet's joints lie 0.03 and 0.11 px off them in the median.
    The head is the middle of the ears, which is where JHMDB has it: 0.034 of the person's size away, the nose 0.071
    (root mean square over JHMDB train, MoveNet's points). Where an ear is hidden, see `_head_of`.
    """
    xy, known = keypoints[:, :2], keypoints[:, 2] > 0
    joints, labelled = np.zeros((len(SKELETON), 2), np.float32), np.zeros(len(SKELETON), bool)
    joints[_PLACES], labelled[_PLACES] = xy[_BODY], known[_BODY]
    if known[:5].any():
        joints[_HEAD], labelled[_HEAD] = _head_of(xy[:5], known[:5]), True
    return joints, labelled


def _head_of(face: Array, known: Array) -> Array:
    """The head's middle from nose, eyes and ears [5, 2], of which some are known.

    In profile one ear and one eye are seen, and that ear covers the middle. Seen half from the side or without any ear,
    the mean of all that is known lies nearest.
    """
    ears, eyes = known[3:5], known[1:3]
    if ears.all() or (ears.any() and not eyes.all()):
        middle: Array = face[3:5][ears].mean(axis=0)
        return middle
    mean: Array = face[known].mean(axis=0)
    return mean


def _usable(root: Path, part: str) -> list[tuple[str, dict[str, Any]]]:
    path = _annotations(root, part)
    if path is None:
        raise DatasetError(f"{root}: no annotations/person_keypoints_{part}.json (or ..._{part}2017.json)")
    try:
        content = json.loads(path.read_text())
        files = {image["id"]: image["file_name"] for image in content["images"]}
        people = [(f"{files[row['image_id']]}#{row['id']}", row) for row in content["annotations"]]
        return [(name, row) for name, row in people if _is_usable(row)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: not COCO's keypoint annotations ({error})") from error


def _annotations(root: Path, part: str) -> Path | None:
    paths = (root / "annotations" / f"person_keypoints_{part}{year}.json" for year in ("", "2017"))
    return next((path for path in paths if path.is_file()), None)


def _is_usable(row: dict[str, Any]) -> bool:
    if row.get("iscrowd") or max(row["bbox"][2:]) < MIN_SIDE:
        return False
    _, labelled = to_skeleton(_keypoints(row))
    return int(labelled.sum()) >= MIN_LABELLED


def _keypoints(row: dict[str, Any]) -> Array:
    return np.asarray(row["keypoints"], np.float64).reshape(len(JOINTS_17), 3)


def _person(root: Path, name: str, row: dict[str, Any]) -> Clip:
    file = name.rpartition("#")[0]
    folders = (root / "images", root / "train2017", root / "val2017")
    path = next((folder / file for folder in folders if (folder / file).is_file()), folders[0] / file)
    joints, labelled = to_skeleton(_keypoints(row))
    x, y, w, h = row["bbox"]
    # A box counts from the picture's corner, half a pixel before the middle of the first.
    box = np.array([[x - 0.5, y - 0.5, w, h]], np.float32)
    return Clip(name, ImageFiles([path]), joints[None], labelled[None], box)
