"""CSV under DeepLabCut's header, which its tools, `movement` and others read.

One person: the rows scorer, bodyparts, coords. Several: scorer, individuals, bodyparts, coords, where the individuals
are track numbers. Then one row a frame, with nothing where somebody is not seen.
"""

from collections.abc import Iterator

from model.skeletons import Skeleton
from model.values import Pose
from service.contract.messages import FrameResult
from service.formats.numbers import shortest
from service.formats.results import Results, Survey, survey

COORDS = ("x", "y", "likelihood")


def write_deeplabcut(results: Results) -> Iterator[bytes]:
    """The table; the first column is the frame's number. Two passes: the header names everybody."""
    seen = survey(results)
    yield from _header(seen)
    for result in results:
        yield _line([str(result.seq), *_values(result, seen)])


def _header(seen: Survey) -> Iterator[bytes]:
    joints = seen.skeleton.joints
    people = seen.track_ids or (1,)
    width = len(people) * len(joints) * len(COORDS)
    yield _line(["scorer", *["kinepose_" + seen.model.replace(" ", "_")] * width])
    if len(people) > 1:
        named = [f"person{track_id}" for track_id in people for _ in range(len(joints) * len(COORDS))]
        yield _line(["individuals", *named])
    yield _line(["bodyparts", *[joint for _ in people for joint in joints for _ in COORDS]])
    yield _line(["coords", *[part for _ in people for _ in joints for part in COORDS]])


def _values(result: FrameResult, seen: Survey) -> Iterator[str]:
    poses = {person.track_id: person.pose for person in result.people}
    for track_id in seen.track_ids or (1,):
        yield from _of_pose(poses.get(track_id), seen.skeleton)


def _of_pose(pose: Pose | None, skeleton: Skeleton) -> Iterator[str]:
    if pose is None:
        yield from [""] * (len(skeleton) * len(COORDS))
        return
    for (x, y), score in zip(pose.xy_px.tolist(), pose.score.tolist(), strict=True):
        yield from (shortest(x), shortest(y), shortest(score))


def _line(values: list[str]) -> bytes:
    return ",".join(values).encode() + b"\n"
