"""OpenSim's marker tables (TRC): a header, then a row a frame with X, Y and Z of each marker.

Markers have Pose2Sim's names (`LShoulder`, `RKnee`, `Head`). One person: the plain names; several: `person2:LShoulder`.
X goes right and Y up from the middle of the picture's lowest left pixel, Z is 0; units are square pixels, or metres
where a scale is known. Nothing stands where somebody is not seen.
"""

from collections.abc import Iterator

from model.values import Pose
from service.contract.messages import FrameResult
from service.formats.results import MICROSECONDS, Results, Survey, survey

NAMES = (
    "DataRate",
    "CameraRate",
    "NumFrames",
    "NumMarkers",
    "Units",
    "OrigDataRate",
    "OrigDataStartFrame",
    "OrigNumFrames",
)


def write_trc(results: Results) -> Iterator[bytes]:
    """The table. Two passes: the header counts frames and names everybody."""
    seen = survey(results)
    markers = _markers(seen)
    yield _header(results.name, seen, markers)
    for number, result in enumerate(results, 1):
        yield _row(number, result, seen, results.info.pixel_aspect)


def marker_name(joint: str) -> str:
    """Pose2Sim's name of a joint: `left_hip` is `LHip`."""
    side, _, part = joint.partition("_")
    return f"{side[0].upper()}{part.capitalize()}" if part else joint.capitalize()


def _markers(seen: Survey) -> list[str]:
    names = [marker_name(joint) for joint in seen.skeleton.joints]
    if len(seen.track_ids) < 2:
        return names
    return [f"person{track_id}:{name}" for track_id in seen.track_ids for name in names]


def _header(name: str, seen: Survey, markers: list[str]) -> bytes:
    hz = f"{seen.hz:.6g}"
    values = [hz, hz, str(seen.frames), str(len(markers)), "px", hz, "1", str(seen.frames)]
    rows = [
        ["PathFileType", "4", "(X/Y/Z)", f"{name}.trc"],
        [
            "DataRate",
            "CameraRate",
            "NumFrames",
            "NumMarkers",
            "Units",
            "OrigDataRate",
            "OrigDataStartFrame",
            "OrigNumFrames",
        ],
        values,
        ["Frame#", "Time", *"\t\t\t".join(markers).split("\t"), "", ""],
        ["", "", *[f"{axis}{number}" for number in range(1, len(markers) + 1) for axis in "XYZ"]],
    ]
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _row(number: int, result: FrameResult, seen: Survey, pixel_aspect: float) -> bytes:
    time_s = (number - 1) / seen.hz if result.pts_us is None else result.pts_us / MICROSECONDS
    poses = {person.track_id: person.pose for person in result.people}
    values = [str(number), f"{time_s:.6f}"]
    for track_id in seen.track_ids or (1,):
        values += _of_pose(poses.get(track_id), seen, pixel_aspect)
    return ("\t".join(values) + "\n").encode()


def _of_pose(pose: Pose | None, seen: Survey, pixel_aspect: float) -> Iterator[str]:
    if pose is None or seen.size is None:
        yield from [""] * (3 * len(seen.skeleton))
        return
    lowest = seen.size[1] - 1
    for x, y in pose.xy_px.tolist():
        yield from (f"{x * pixel_aspect:.3f}", f"{lowest - y:.3f}", "0.000")
