"""OpenSim's marker tables (TRC): a header, then a row a frame with X, Y and Z of each marker.

Markers have Pose2Sim's names (`LShoulder`, `RKnee`, `Head`). One person: the plain names; several: `person2:LShoulder`.
X goes right and Y up from the middle of the picture's lowest left pixel, Z is 0; units are square pixels, or metres
where a scale is known. Nothing stands where somebody is not seen.
"""

import math
from collections.abc import Iterator

from model.values import Array
from service.contract.messages import FrameResult
from service.formats.results import MICROSECONDS, Results, Survey, survey
from service.kinematics.process import upwards

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
    in_metres = results.kinematics is not None and bool(results.kinematics.scales)
    yield _header(results.name, seen, markers, "m" if in_metres else "px")
    for index, result in enumerate(results):
        time_s = index / seen.hz if result.pts_us is None else result.pts_us / MICROSECONDS
        values = [str(index + 1), f"{time_s:.6f}"]
        for track_id in seen.track_ids or (1,):
            values += _of_points(_points(results, result, index, track_id), len(seen.skeleton))
        yield ("\t".join(values) + "\n").encode()


def marker_name(joint: str) -> str:
    """Pose2Sim's name of a joint: `left_hip` is `LHip`."""
    side, _, part = joint.partition("_")
    return f"{side[0].upper()}{part.capitalize()}" if part else joint.capitalize()


def _markers(seen: Survey) -> list[str]:
    names = [marker_name(joint) for joint in seen.skeleton.joints]
    if len(seen.track_ids) < 2:
        return names
    return [f"person{track_id}:{name}" for track_id in seen.track_ids for name in names]


def _header(name: str, seen: Survey, markers: list[str], units: str) -> bytes:
    hz = f"{seen.hz:.6g}"
    values = [hz, hz, str(seen.frames), str(len(markers)), units, hz, "1", str(seen.frames)]
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


def _points(results: Results, result: FrameResult, index: int, track_id: int) -> Array | None:
    """Markers [K, 2], y up, in pixels or metres; None where the person is not there."""
    made = results.kinematics
    if made is not None and result.image_size is not None:
        return upwards(made.xy[track_id][index], result.image_size[1]) * made.scales.get(track_id, 1)
    pose = next((person.pose for person in result.people if person.track_id == track_id), None)
    if pose is None or result.image_size is None:
        return None
    return upwards(pose.xy_px * (results.info.pixel_aspect, 1), result.image_size[1])


def _of_points(points: Array | None, joints: int) -> Iterator[str]:
    if points is None:
        yield from [""] * (3 * joints)
        return
    for x, y in points.tolist():
        yield from ("", "", "") if math.isnan(x) else (f"{x:.5f}", f"{y:.5f}", "0.00000")
