"""All files of one clip's results: native ones as results come, the others once the last one is there.

For these, results wait in a temporary file, as lines; memory does not grow with the clip. Where kinematics are wanted
that take the whole clip together, native ones wait, too.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from model.skeletons import SKELETONS
from model.values import Frame
from service.clips.output import ResultWriter, text_output
from service.clips.output_file import is_stream, open_stream, whole_or_nothing
from service.contract import wire
from service.contract.messages import ClipInfo, FrameResult
from service.errors import KineposeError
from service.formats.catalog import HTML, JSON, NDJSON, Format
from service.formats.native import ndjson_line
from service.formats.results import StoredResults
from service.formats.zipped import Member
from service.kinematics.process import FrameByFrame, Kinematics, Wanted
from service.media.shape import Shape
from service.media.stills import Stills


@dataclass(frozen=True, slots=True)
class Target:
    """A format and a path (None: stdout). Of a format of many files the path is a folder, or ends with .zip."""

    form: Format
    path: Path | None

    @property
    def is_folder(self) -> bool:
        """Whether many files are written into `path`, which is made where it is not there."""
        return self.form.files is not None and self.path is not None and self.path.suffix != ".zip"


class Exports:
    """Writes results to all targets; a context manager. Files appear whole once it ends well, or not at all.

    Args:
        targets: where to.
        name: what files in it are named after, where a format has names.
        wanted: what is made of the joints.
        shape: of the clip's pictures.
    """

    def __init__(self, targets: Iterable[Target], name: str, wanted: Wanted, shape: Shape) -> None:
        targets = tuple(targets)
        self._native = [target for target in targets if target.form in (JSON, NDJSON)]
        self._others = [target for target in targets if target.form not in (JSON, NDJSON)]
        self._name = name
        self._shape = shape
        self._wanted = wanted
        self._causal: FrameByFrame | None = None
        self._stills = Stills(shape) if any(target.form.name == HTML for target in targets) else None
        self._writers: list[ResultWriter] = []
        self._lines: BinaryIO | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for target in self._native:
                file = stack.enter_context(text_output(target.path))
                self._writers.append(ResultWriter(file, "json" if target.form is JSON else "ndjson"))
            if self._others or not self._wanted.causal:
                self._lines = stack.enter_context(tempfile.TemporaryFile(prefix="kinepose-"))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Add a frame and its result, in stored pixels."""
        if self._stills is not None:
            self._stills.add(frame, result)
        if self._wanted.nothing or self._wanted.causal:
            made = None if self._wanted.nothing else self._frame_by_frame(result)
            for writer in self._writers:
                writer.write(result, 0, made)
        if self._lines is not None:
            self._lines.write(ndjson_line(wire.result_to_json(result)))

    def finish(self, info: ClipInfo, error: KineposeError | None) -> None:
        """Write what is left, with what is known of the clip, and the error that it ended with if it did."""
        if self._lines is not None:
            results = StoredResults(info, self._lines, self._name)
            results.process(self._wanted)
            results.stills = self._stills.all if self._stills else ()
            self._write_native(results)
            for target in self._others:
                _export(target, results)
        for writer in self._writers:
            writer.finish(info, error)

    def _frame_by_frame(self, result: FrameResult) -> Kinematics:
        if self._causal is None:
            self._causal = FrameByFrame(SKELETONS[result.skeleton], self._wanted, float(self._shape.pixel_aspect))
        return self._causal(result)

    def _write_native(self, results: StoredResults) -> None:
        if results.kinematics is not None and not self._wanted.causal:
            for index, result in enumerate(results):
                for writer in self._writers:
                    writer.write(result, index, results.kinematics)


def _export(target: Target, results: StoredResults) -> None:
    if target.is_folder:
        assert target.form.files is not None
        assert target.path is not None
        _fill_folder(target.path, target.form.files(results))
        return
    with _binary_output(target.path) as file:
        for piece in target.form.write(results):
            file.write(piece)


def _fill_folder(folder: Path, members: Iterable[Member]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in members:
        (folder / name).write_bytes(content)


@contextmanager
def _binary_output(path: Path | None) -> Iterator[BinaryIO]:
    """As `text_output`, for bytes."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif is_stream(path):
        with open_stream(path) as file:
            yield file
    else:
        with whole_or_nothing(path) as part, part.open("wb") as file:
            yield file
