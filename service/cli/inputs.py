"""What `kinepose estimate` is given: files, folders, patterns, -, URLs and cameras, each as a source of frames."""

import glob
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from service.cli.failures import BAD_INPUT, CommandFailed
from service.media.excerpt import Excerpt, Part
from service.media.limits import ClipLimits
from service.media.live import LIVE, Latest, is_camera, open_stream, scheme_of, without_password
from service.media.opened import Clip
from service.media.sequence import PICTURES, TIFF, open_pictures
from service.media.video import open_video

CLIPS = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob", ".flv"),
        *(".ogv", ".ogg", ".wmv", ".asf", ".ivf", ".h264", ".264", ".hevc", ".h265", ".265", ".obu", ".mjpeg", ".3gp"),
    )
)
"""Endings of clips in a folder, in lower case. A file that is named itself may have any ending."""
STDIN = "-"
PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"BM", *TIFF)

Open = Callable[[ClipLimits, bool], AbstractContextManager[Clip]]


@dataclass(frozen=True, slots=True)
class Source:
    """One input.

    Attributes:
        text: as it is told to people.
        name: what outputs are named after.
        open: opens it with limits, and `strict` or not. Raises KineposeError, OSError.
        stream: it comes from elsewhere.
        live: and does not wait for its reader.
        path: the clip's file, where it is one, for its sound.
    """

    text: str
    name: str
    open: Open
    stream: bool = False
    live: bool = False
    path: Path | None = None


def sources_of(texts: Sequence[str], rate: Fraction | None) -> list[Source]:
    """The inputs that were named, in that order; what a folder or a pattern holds by name.

    Args:
        rate: pictures a second of folders of pictures; None: their frames have no times.

    Raises:
        CommandFailed: a pattern or a folder holds nothing that is read.
    """
    return [source for text in texts for source in _named(text, rate)]


def _named(text: str, rate: Fraction | None) -> list[Source]:
    if text == STDIN:
        return [Source("stdin", "stdin", partial(_open_stdin, rate))]
    if is_camera(text) or scheme_of(text) is not None:
        return [_stream(text)]
    path = Path(text)
    if not path.exists() and glob.has_magic(text):
        found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        matches = sorted(found, key=lambda match: natural(str(match)))
        if not matches:
            raise CommandFailed(f"{text}: nothing matches", BAD_INPUT)
        return [source for match in matches for source in _at(match, rate)]
    return _at(path, rate)


def _at(path: Path, rate: Fraction | None) -> list[Source]:
    if path.is_dir():
        return _in_folder(path, rate)
    if path.suffix.lower() in PICTURES:
        return [Source(str(path), path.stem, partial(_open_pictures, [path], rate))]
    return [Source(str(path), path.stem, partial(_open_clip, path), path=path)]


def _in_folder(folder: Path, rate: Fraction | None) -> list[Source]:
    """Its clips, one by one; its pictures together, as one clip."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: natural(path.name))
    clips = [source for path in files if path.suffix.lower() in CLIPS for source in _at(path, rate)]
    pictures = [path for path in files if path.suffix.lower() in PICTURES]
    if not clips and not pictures:
        raise CommandFailed(f"{folder}: no clip and no picture is in it", BAD_INPUT)
    together = Source(str(folder), folder.resolve().name or "pictures", partial(_open_pictures, pictures, rate))
    return [*clips, together] if pictures else clips


def _stream(text: str) -> Source:
    scheme = scheme_of(text)
    told = without_password(text)
    name = re.sub(r"[^\w.-]+", "-", told.partition("://")[2] or told).strip("-.")
    live = scheme is None or scheme in LIVE
    return Source(told, name or "stream", partial(_open_stream, text), stream=True, live=live)


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts frame9 before frame10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


# -- opening ----------------------------------------------------------------------------------------------


def _open_clip(path: Path, limits: ClipLimits, strict: bool) -> AbstractContextManager[Clip]:
    return open_video(path, limits, strict=strict)


def _open_pictures(
    paths: Sequence[Path], rate: Fraction | None, limits: ClipLimits, strict: bool
) -> AbstractContextManager[Clip]:
    return open_pictures(paths, rate, limits, strict=strict)


def _open_stream(text: str, limits: ClipLimits, strict: bool) -> AbstractContextManager[Clip]:
    return open_stream(text, limits, strict=strict)


@contextmanager
def _open_stdin(rate: Fraction | None, limits: ClipLimits, strict: bool) -> Iterator[Clip]:
    """A clip or a picture from stdin, as a file: most containers are not read from front to back."""
    with tempfile.NamedTemporaryFile(prefix="kinepose-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        path = Path(file.name)
        opened = _open_pictures([path], rate, limits, strict) if _is_picture(path) else _open_clip(path, limits, strict)
        with opened as clip:
            yield clip


def _is_picture(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(PICTURE_STARTS):
        return True
    return (start[:4], start[8:12]) == (b"RIFF", b"WEBP") or start[4:12] in (b"ftypavif", b"ftypavis")


@contextmanager
def opened(
    source: Source, part: Part, limits: ClipLimits, strict: bool, stop: threading.Event | None
) -> Iterator[Clip]:
    """The source, opened, of which `part` is taken; with `stop`, its newest frames until that is set."""
    with source.open(limits, strict) as clip:
        view: Clip = clip if part.is_whole else Excerpt(clip, part)
        yield view if stop is None else Latest(view, stop)
