"""One row a person and frame: what CSV and Parquet have in common.

A frame without anybody has one row, with nothing from `track_id` on, so that no frame is missing.
"""

import math
from collections.abc import Iterator
from typing import Final

from model.values import Person
from service.contract.messages import FrameResult
from service.formats.results import MICROSECONDS, Results, skeleton_of
from service.kinematics.process import Kinematics

Value = int | float | str | None
Row = tuple[Value, ...]

OF_FRAME: Final = ("frame", "pts_us", "time_s", "outcome")
OF_PERSON: Final = ("track_id", "person_score", "region_source", "region_x", "region_y", "region_w", "region_h")
OF_JOINT: Final = ("x", "y", "score")


def columns(results: Results) -> tuple[str, ...]:
    """Names of the columns; each joint has its x, y (pixels of the upright picture) and score (0 to 1).

    What was made of the joints stands behind them.
    """
    joints = (f"{joint}_{part}" for joint in skeleton_of(results).joints for part in OF_JOINT)
    return (*OF_FRAME, *OF_PERSON, *joints, *(results.kinematics.columns if results.kinematics else ()))


def rows(results: Results) -> Iterator[Row]:
    """The table, frame by frame. Somebody who is only filled in, between two sightings, has no score and no region."""
    made = results.kinematics
    unseen: Row = (None,) * (len(OF_PERSON) - 1 + len(OF_JOINT) * len(skeleton_of(results)))
    for index, result in enumerate(results):
        seen = {person.track_id: _of_person(person) for person in result.people}
        people = sorted(seen.keys() | (made.tracks_at(index) if made else ()))
        for track_id in people:
            yield (*_of_frame(result), track_id, *seen.get(track_id, unseen), *_made(made, track_id, index))
        if not people:
            yield (*_of_frame(result), None, *unseen, *_made(made, None, index))


def _made(made: Kinematics | None, track_id: int | None, index: int) -> Row:
    if made is None:
        return ()
    if track_id is None:
        return (None,) * len(made.columns)
    return tuple(None if math.isnan(value) else value for value in made.tables[track_id][index].tolist())


def _of_frame(result: FrameResult) -> Row:
    time_s = None if result.pts_us is None else result.pts_us / MICROSECONDS
    return result.seq, result.pts_us, time_s, result.outcome.value


def _of_person(person: Person) -> Row:
    box, pose = person.region, person.pose
    joints = (
        part for (x, y), score in zip(pose.xy_px.tolist(), pose.score.tolist(), strict=True) for part in (x, y, score)
    )
    return person.person_score, person.region_source.value, box.x, box.y, box.w, box.h, *joints
