"""COCO's forms for people: results of a detector, and a data set with images and annotations.

Both have COCO's 17 joints. Those that Kinepose does not read (nose, eyes, ears) are 0, 0, 0, which is COCO's word for
"not there". An image is a frame: its id is the frame's number, and `track_id` stands beside COCO's own members.
"""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

from model.skeletons import COCO_17, Skeleton, joint_map
from model.values import Array, Person
from service.contract.messages import FrameResult
from service.formats.numbers import placed, rounded
from service.formats.results import Results, skeleton_of

PERSON: Final = 1
"""COCO's category of people."""
LABELLED_VISIBLE, LABELLED_HIDDEN = 2, 1
LOW_SCORE: Final = 0.3
"""A joint below it is more a guess than a sighting; overlays draw it as a ring."""


def write_results(results: Results) -> Iterator[bytes]:
    """COCO's results: a list of `{"image_id", "category_id", "keypoints", "score"}`, the joints' scores as third."""
    joints = joint_map(skeleton_of(results), COCO_17)
    return _array(_detection(result, person, joints) for result in results for person in result.people)


def write_keypoints(results: Results) -> Iterator[bytes]:
    """COCO's data set; the third is 2 (visible), 1 (a guess below a score of 0.3) or 0 (not there). Two passes."""
    yield b'{"info":' + _json({"description": f"{results.name}, read by Kinepose"})
    yield b',"licenses":[],"categories":' + _json([_category()])
    yield b',"images":'
    yield from _array(_image(results.name, result) for result in results)
    yield b',"annotations":'
    yield from _array(_annotations(results))
    yield b"}"


def _annotations(results: Results) -> Iterator[dict[str, Any]]:
    joints = joint_map(skeleton_of(results), COCO_17)
    ids = count(1)
    for result in results:
        for person in result.people:
            yield {"id": next(ids), **_annotation(result, person, joints)}


def _detection(result: FrameResult, person: Person, joints: tuple[int | None, ...]) -> dict[str, Any]:
    table = placed(person.pose, joints)
    return {
        "image_id": result.seq,
        "category_id": PERSON,
        "keypoints": _flat(table, table[:, 2].tolist()),
        "score": rounded(person.person_score),
        "track_id": person.track_id,
    }


def _annotation(result: FrameResult, person: Person, joints: tuple[int | None, ...]) -> dict[str, Any]:
    table = placed(person.pose, joints)
    visible = [LABELLED_VISIBLE if score >= LOW_SCORE else LABELLED_HIDDEN for score in table[:, 2].tolist()]
    box = person.region
    return {
        "image_id": result.seq,
        "category_id": PERSON,
        "keypoints": _flat(table, visible),
        "num_keypoints": sum(index is not None for index in joints),
        "bbox": [rounded(side) for side in (box.x, box.y, box.w, box.h)],
        "area": rounded(box.w * box.h),
        "iscrowd": 0,
        "score": rounded(person.person_score),
        "track_id": person.track_id,
    }


def _flat(table: Array, thirds: Iterable[float]) -> list[float]:
    """x, y and a third number of each joint; zeros for one that is absent."""
    flat: list[float] = []
    for (x, y, _), third in zip(table.tolist(), thirds, strict=True):
        flat += (
            [0, 0, 0]
            if math.isnan(x)
            else [rounded(x), rounded(y), third if isinstance(third, int) else rounded(third)]
        )
    return flat


def _image(name: str, result: FrameResult) -> dict[str, Any]:
    width, height = result.image_size or (0, 0)
    file_name = f"{name}_{result.seq:06d}.jpg"
    return {"id": result.seq, "width": width, "height": height, "file_name": file_name, "pts_us": result.pts_us}


def _category() -> dict[str, Any]:
    return {
        "id": PERSON,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(COCO_17.joints),
        "skeleton": _bones(COCO_17),
    }


def _bones(skeleton: Skeleton) -> list[list[int]]:
    return [[start + 1, end + 1] for start, end in skeleton.bones]  # COCO counts joints from 1.


def _array(items: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield b"["
    for number, item in enumerate(items):
        yield (b",\n" if number else b"\n") + _json(item)
    yield b"\n]"


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
