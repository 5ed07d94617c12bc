"""Results of a clip as a file or on stdout, written as they come; a file appears only once it is whole."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from service.clips.output_file import is_stream, open_stream, whole_or_nothing
from service.contract import problem, wire
from service.contract.messages import ClipInfo, FrameResult
from service.errors import KineposeError
from service.formats.native import with_kinematics
from service.kinematics.process import Kinematics

Format = Literal["json", "ndjson"]


class ResultWriter:
    """Writes results piece by piece, so that memory does not grow with the clip.

    json     one object: {"frames": [...], "clip": {...}}, with "error" where the clip broke off
    ndjson   a line a frame, then a line with "clip", or with "error"
    """

    def __init__(self, file: TextIO, form: Format) -> None:
        self._file = file
        self._json = form == "json"
        self._count = 0

    def write(self, result: FrameResult, index: int = 0, made: Kinematics | None = None) -> None:
        """Add a frame's result, with what was made of the joints of the frame of that index."""
        reply = wire.result_to_json(result)
        if self._json:
            self._file.write('{"frames":[\n' if self._count == 0 else ",\n")
        self._file.write(_line(reply if made is None else with_kinematics(reply, index, made)))
        if not self._json:
            self._file.write("\n")
            self._file.flush()  # who reads lines gets each when it is there
        self._count += 1

    def finish(self, info: ClipInfo, error: KineposeError | None) -> None:
        """Add what is known of the clip, and the error that it ended with if it did."""
        end: dict[str, Any] = {"clip": wire.clip_to_json(info)}
        if error is not None:
            end["error"] = problem.to_problem(error)
        if self._json:
            self._file.write(('{"frames":[' if self._count == 0 else "\n") + "],\n" + _line(end)[1:])
        else:
            self._file.write(_line(end))
        self._file.write("\n")


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


@contextmanager
def text_output(path: Path | None) -> Iterator[TextIO]:
    """A file that appears once the block ends well; a device or pipe, written as results come; or stdout."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
    elif is_stream(path):
        with io.TextIOWrapper(open_stream(path), encoding="utf-8") as file:
            yield file
    else:
        with whole_or_nothing(path) as part, part.open("w", encoding="utf-8") as file:
            yield file
