"""Which files `kinepose estimate` writes for an input: `--output FILE`, or one a format in `--output-dir FOLDER`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.outputs import check_outputs
from service.clips.exports import Target
from service.errors import BadRequest
from service.formats.catalog import FORMATS, HTML, JSON, MP4, format_named
from service.media.overlay import CONTAINERS

DRAWN = ".overlay.mp4"
"""Ending of a drawn clip in a folder of outputs, where `clip.mp4` may be the clip itself."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the results of one input go.

    Attributes:
        results: files, or stdout.
        overlay: the drawn clip, if one is wanted.
    """

    results: tuple[Target, ...]
    overlay: Path | None


@dataclass(slots=True)
class Outputs:
    """What was said of outputs, for all inputs. CommandFailed where it does not fit together.

    Attributes:
        formats: names, in the order given; none: by the ending of `file`, else JSON.
        file: --output.
        folder: --output-dir, made where it is not there.
        overlay: --overlay.
        plot: --plot.
        several: whether there are several inputs.
    """

    formats: Sequence[str]
    file: Path | None
    folder: Path | None
    overlay: Path | None
    plot: Path | None
    several: bool
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.formats = list(dict.fromkeys(self.formats)) or [_by_ending(self.file)]
        if self.formats[0] != MP4:
            _check_installed(self.formats[0])
        if self.folder is not None and self.file is not None:
            raise CommandFailed("give --output or --output-dir, not both", BAD_INPUT)
        if self.folder is None and (self.several or len(self.formats) > 1):
            raise CommandFailed("several inputs or formats need --output-dir FOLDER", BAD_INPUT)
        if self.several and (self.overlay is not None or self.plot is not None):
            raise CommandFailed("--overlay and --plot are for one input; for several give --format mp4,html", BAD_INPUT)
        if self.folder is not None:
            _make_folder(self.folder)

    def of(self, name: str, source: Path | None = None) -> Targets:
        """Where the results of the input of that name go; looked at before there are any. `source`: its file.

        Raises:
            CommandFailed: a file that cannot be written, or is the input itself.
        """
        targets = self._single() if self.folder is None else self._in_folder(self.folder, self._unique(name))
        if self.plot is not None:
            targets = replace(targets, results=(*targets.results, Target(FORMATS[HTML], self.plot)))
        files = [*(target.path for target in targets.results if not target.is_folder), targets.overlay]
        check_outputs(*files)
        _check_container(targets.overlay)
        if any(_is_same(path, source) for path in files):
            raise CommandFailed(f"{source}: the output would take the input's place", BAD_INPUT)
        return targets

    def _single(self) -> Targets:
        [name] = self.formats
        if name == MP4:
            if self.file is None or self.overlay is not None:
                raise CommandFailed("--format mp4 needs --output FILE, and no --overlay", BAD_INPUT)
            return Targets((), self.file)
        form = FORMATS[name]
        if self.file is None and not form.text and sys.stdout.isatty():
            raise CommandFailed(f"{name} is not for a terminal: give --output", BAD_INPUT)
        return Targets((Target(form, self.file),), self.overlay)

    def _in_folder(self, folder: Path, stem: str) -> Targets:
        forms = [FORMATS[name] for name in self.formats if name != MP4]
        overlay = folder / (stem + DRAWN) if MP4 in self.formats else self.overlay
        return Targets(tuple(Target(form, folder / (stem + form.ending)) for form in forms), overlay)

    def _unique(self, name: str) -> str:
        """The name, with a number where an input before has it."""
        number, stem = 1, name
        while stem in self._taken:
            number += 1
            stem = f"{name}-{number}"
        self._taken.add(stem)
        return stem


def format_names(text: str) -> list[str]:
    """Names of formats between commas, as an argument. ArgumentTypeError for one that cannot be had."""
    names = text.split(",")
    for name in names:
        try:
            if name != MP4:
                format_named(name)
        except BadRequest as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return names


def _is_same(path: Path | None, source: Path | None) -> bool:
    """Whether both are the same file, and there."""
    if path is None or source is None:
        return False
    return path.exists() and source.exists() and path.samefile(source)


def _check_installed(name: str) -> None:
    """Of a format that only an ending names; others are looked at as arguments."""
    try:
        format_named(name)
    except BadRequest as error:
        raise CommandFailed(str(error), BAD_INPUT) from error


def _check_container(overlay: Path | None) -> None:
    if overlay is not None and overlay.suffix.lower() not in CONTAINERS:
        endings = ", ".join(ending for ending in CONTAINERS if ending)
        raise CommandFailed(f"{overlay}: an overlay is written as one of {endings}", BAD_INPUT)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}", BAD_INPUT) from error


def _by_ending(path: Path | None) -> str:
    """The format that a file's name says, the longest ending first; JSON where it says nothing."""
    endings = {form.ending: form.name for form in FORMATS.values() if not form.files} | {".mp4": MP4}
    name = path.name if path is not None else ""
    return next((endings[end] for end in sorted(endings, key=len, reverse=True) if name.endswith(end)), JSON.name)
