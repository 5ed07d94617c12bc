"""OpenPose's JSON: a file a frame, with BODY_25's joints or in the order of its COCO model.

Joints that Kinepose does not read are 0, 0, 0, as OpenPose writes what it did not find. `person_id` is the track.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from model.skeletons import OPENPOSE_BODY_25, OPENPOSE_COCO, Skeleton, joint_map
from model.values import Person
from service.formats.numbers import placed, rounded
from service.formats.results import Results, skeleton_of
from service.formats.zipped import Member, zip_pieces

VERSION = 1.3
# What OpenPose writes beside the body, and a body reader expects to find.
EMPTY = (
    "face_keypoints_2d",
    "hand_left_keypoints_2d",
    "hand_right_keypoints_2d",
    "pose_keypoints_3d",
    "face_keypoints_3d",
    "hand_left_keypoints_3d",
    "hand_right_keypoints_3d",
)


def body_25_files(results: Results) -> Iterator[Member]:
    """The files with BODY_25's joints, as (name, content)."""
    return _files(results, OPENPOSE_BODY_25)


def coco_files(results: Results) -> Iterator[Member]:
    """The files with the 18 joints of OpenPose's COCO model, as (name, content)."""
    return _files(results, OPENPOSE_COCO)


def write_body_25(results: Results) -> Iterator[bytes]:
    """A ZIP of `body_25_files`."""
    return zip_pieces(body_25_files(results))


def write_coco(results: Results) -> Iterator[bytes]:
    """A ZIP of `coco_files`."""
    return zip_pieces(coco_files(results))


def _files(results: Results, layout: Skeleton) -> Iterator[Member]:
    joints = joint_map(skeleton_of(results), layout)
    for result in results:
        people = [_person(person, joints) for person in result.people]
        content = json.dumps({"version": VERSION, "people": people}, separators=(",", ":"), allow_nan=False)
        yield f"{results.name}_{result.seq:012d}_keypoints.json", content.encode()


def _person(person: Person, joints: tuple[int | None, ...]) -> dict[str, Any]:
    flat = np.nan_to_num(placed(person.pose, joints)).ravel()
    keypoints = [rounded(value) for value in flat.tolist()]
    return {"person_id": [person.track_id], "pose_keypoints_2d": keypoints} | {name: [] for name in EMPTY}
