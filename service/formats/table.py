"""One row a person and frame: what CSV and Parquet have in common.

A frame without anybody has one row, with nothing from `track_id` on, so that no frame is missing.
"""

from collections.abc import Iterator
from typing import Final

from model.skeletons import Skeleton
from model.values import Person
from service.contract.messages import FrameResult
from service.formats.results import MICROSECONDS, Results

Value = int | float | str | None
Row = tuple[Value, ...]

OF_FRAME: Final = ("frame", "pts_us", "time_s", "outcome")
OF_PERSON: Final = ("track_id", "person_score", "region_source", "region_x", "region_y", "region_w", "region_h")
OF_JOINT: Final = ("x", "y", "score")


def columns(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of the columns; each joint has its x, y (pixels of the upright picture) and score (0 to 1)."""
    joints = (f"{joint}_{part}" for joint in skeleton.joints for part in OF_JOINT)
    return (*OF_FRAME, *OF_PERSON, *joints)


def rows(results: Results, skeleton: Skeleton) -> Iterator[Row]:
    """The table, frame by frame."""
    nobody: Row = (None,) * (len(columns(skeleton)) - len(OF_FRAME))
    for result in results:
        frame = _of_frame(result)
        for person in result.people:
            yield (*frame, *_of_person(person))
        if not result.people:
            yield (*frame, *nobody)


def _of_frame(result: FrameResult) -> Row:
    time_s = None if result.pts_us is None else result.pts_us / MICROSECONDS
    return result.seq, result.pts_us, time_s, result.outcome.value


def _of_person(person: Person) -> Row:
    box, pose = person.region, person.pose
    joints = (
        part for (x, y), score in zip(pose.xy_px.tolist(), pose.score.tolist(), strict=True) for part in (x, y, score)
    )
    return person.track_id, person.person_score, person.region_source.value, box.x, box.y, box.w, box.h, *joints
