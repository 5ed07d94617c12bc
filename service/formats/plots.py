"""One page with everything in it: paths, angles and scores of everybody over time, and some pictures of the clip."""

import base64
import html
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from model.skeletons import Skeleton
from model.values import Array
from service.formats.charts import MOST_POINTS, Line, line_chart
from service.formats.results import Results, Survey, survey
from service.kinematics.angles import JOINTS, NAMES, SIDES, angles_of
from service.kinematics.paths import Path, Paths, paths_of
from service.kinematics.process import Kinematics, upwards

MOST_PEOPLE: Final = 20
COLOURS: Final = ("#444444", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Told apart by people who see few colours, too (Okabe and Ito): one a pair of joints."""
STYLE: Final = (
    "body{font:14px/1.4 system-ui,sans-serif;max-width:900px;margin:1em auto;padding:0 1em;color:#222;background:#fff}"
    "svg{width:100%;height:auto;margin:.4em 0}text{font:11px system-ui,sans-serif;fill:#444}"
    ".title{font-weight:600;font-size:13px}"
    ".x{text-anchor:middle}.y{text-anchor:end}.grid{stroke:#e4e4e4;fill:none}.line{fill:none;stroke-width:1.4}"
    ".stills{display:flex;flex-wrap:wrap;gap:8px}figure{margin:0}figcaption{font-size:12px;color:#555}"
)


def write_plots(results: Results) -> Iterator[bytes]:
    """The page, by person; left is a whole line, right a dashed one. Of long clips only so many frames are drawn."""
    seen = survey(results)
    skeleton = seen.skeleton
    every = max(1, math.ceil(seen.frames / MOST_POINTS))
    paths = paths_of(results, len(skeleton), results.info.pixel_aspect, every, seen.track_ids[:MOST_PEOPLE])
    title = html.escape(f"{results.name}: joints over time")
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'.encode()
    yield f"<h1>{title}</h1><p>{_summary(results, paths, seen)}</p>".encode()
    yield from _stills(results)
    for track_id, path in paths.people.items():
        yield f"<h2>Person {track_id}</h2>".encode()
        made = results.kinematics
        xy = path.xy if made is None else made.xy[track_id][::every]
        for chart in _charts(made, paths, track_id, path, xy, skeleton):
            yield chart.encode()
    yield b"</html>\n"


def _summary(results: Results, paths: Paths, seen: Survey) -> str:
    seconds = float(paths.time_s[-1] - paths.time_s[0]) if len(paths.time_s) else 0.0
    count = len(seen.track_ids)
    people = "1 person" if count == 1 else f"{count} people"
    people += f" (the first {MOST_PEOPLE} are drawn)" if count > MOST_PEOPLE else ""
    made = "" if results.kinematics is None else " Paths and angles are of the filtered joints."
    return f"{seen.frames} frames, {seconds:.2f} s, {people}. Left: whole lines; right: dashed.{made}"


def _stills(results: Results) -> Iterator[bytes]:
    if results.stills:
        yield b'<div class="stills">'
        for caption, jpeg in results.stills:
            data, text = base64.b64encode(jpeg).decode(), html.escape(caption)
            picture = f'<img alt="{text}" src="data:image/jpeg;base64,{data}">'
            yield f"<figure>{picture}<figcaption>{text}</figcaption></figure>".encode()
        yield b"</div>"


def _charts(
    made: Kinematics | None, paths: Paths, track_id: int, path: Path, xy: Array, skeleton: Skeleton
) -> Iterator[str]:
    scale = 1.0 if made is None else made.scales.get(track_id, 1.0)
    unit = "m" if made is not None and made.scales else "px"
    points = upwards(xy, paths.height) * scale
    time_s = paths.time_s
    yield line_chart(
        "Paths in the picture", (f"x, {unit}", f"y, {unit}"), time_s, _by_joint(points, skeleton, True), even=True
    )
    yield line_chart("Across", ("time, s", f"x, {unit}"), time_s, _by_joint(points[:, :, 0], skeleton))
    yield line_chart("Up", ("time, s", f"y, {unit}"), time_s, _by_joint(points[:, :, 1], skeleton))
    yield line_chart("Joint angles", ("time, s", "degrees"), time_s, _angles(xy, skeleton))
    yield line_chart("Scores", ("time, s", "score"), time_s, _by_joint(path.score, skeleton))


def _by_joint(values: Array, skeleton: Skeleton, in_plane: bool = False) -> list[Line]:
    """A line a joint of [T, K], or of [T, K, 2] where they are points."""
    pairs = list(dict.fromkeys(_pair(joint) for joint in skeleton.joints))
    lines = []
    for index, joint in enumerate(skeleton.joints):
        y, x = (values[:, index, 1], values[:, index, 0]) if in_plane else (values[:, index], None)
        colour = COLOURS[pairs.index(_pair(joint)) % len(COLOURS)]
        lines.append(Line(joint.replace("_", " "), y, colour, joint.startswith("right_"), x))
    return lines


def _pair(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def _angles(xy: Array, skeleton: Skeleton) -> list[Line]:
    table = angles_of(xy, skeleton)
    return [
        Line(
            f"{side} {joint.replace('_', ' ')}",
            _unbroken(table[:, NAMES.index(f"{side}_{joint}_deg")]),
            COLOURS[number + 1],
            side == "right",
        )
        for number, joint in enumerate(JOINTS)
        for side in SIDES
    ]


def _unbroken(degrees: Array) -> Array:
    """Without lines across the chart where an angle goes round: a break instead."""
    jumps = np.abs(np.diff(degrees, prepend=degrees[:1])) > 180
    return np.where(jumps, np.nan, degrees)
