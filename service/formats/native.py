"""Kinepose's own form: NDJSON, or one document."""

import json
from collections.abc import Iterator
from typing import Any

from service.contract import wire
from service.formats.results import Results, StoredResults
from service.kinematics.process import Kinematics


def ndjson_line(data: dict[str, Any]) -> bytes:
    """One line of NDJSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write_ndjson(results: Results) -> Iterator[bytes]:
    """A line a frame, the last line with `clip`."""
    yield from _lines(results)
    yield ndjson_line({"clip": wire.clip_to_json(results.info)})


def write_json(results: Results) -> Iterator[bytes]:
    """One document, `{"clip", "frames": [...]}`."""
    yield b'{"clip":' + ndjson_line(wire.clip_to_json(results.info)).strip() + b',"frames":['
    for number, text in enumerate(_lines(results)):
        yield (b"," if number else b"") + text.strip()
    yield b"]}"


def _lines(results: Results) -> Iterator[bytes]:
    if results.kinematics is not None:
        frames = enumerate(results)
        return (
            ndjson_line(with_kinematics(wire.result_to_json(of), index, results.kinematics)) for index, of in frames
        )
    if isinstance(results, StoredResults):
        return results.lines()  # They are in this form already.
    return (ndjson_line(wire.result_to_json(result)) for result in results)


def with_kinematics(reply: dict[str, Any], index: int, made: Kinematics) -> dict[str, Any]:
    """A frame's reply with what was made of everybody's joints, as `kinematics`; what is not known is left out."""
    return reply | {"kinematics": [{"track_id": one.track_id} | one.values for one in made.at(index)]}
