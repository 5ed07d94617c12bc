"""Pictures in files as a clip: one picture, or a folder of them in the order of their names. For the command line."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from model.values import Frame
from service.contract.messages import ClipGap, GapReason
from service.errors import BadImage, FrameSizeChanged
from service.media import image
from service.media.limits import ClipLimits
from service.media.orientation import from_exif
from service.media.shape import Shape
from service.media.timestamps import MICROSECONDS
from service.media.video import open_video

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"))
"""Endings of pictures, in lower case."""
TIFF = (b"II*\0", b"MM\0*")
AVIF_BRANDS = (b"avif", b"avis")


class PictureSequence:
    """Pictures of one size, one frame each: as `Video`, with times only where a rate is given; iterate once.

    Attributes:
        codec: kind of the first picture.
        frames_declared: how many pictures there are.
        rate: pictures a second, or None.
        duration_us: by the rate.
        start_us: None: pictures have no clock.
        shape: of the first picture, upright.
        gaps: pictures that could not be read, as far as they have been looked at.
    """

    start_us = None

    def __init__(self, paths: Sequence[Path], rate: Fraction | None, limits: ClipLimits, strict: bool) -> None:
        self._paths = paths
        self._limits = limits
        self._strict = strict
        self.rate = rate
        self.frames_declared = len(paths)
        self.gaps: tuple[ClipGap, ...] = ()
        self._first = read_picture(paths[0], limits)
        self.codec = kind_of(paths[0])
        self.shape = Shape(self._first.size)

    @property
    def duration_us(self) -> int | None:
        """By the rate; None without one."""
        return self._time_us(len(self._paths))

    def __iter__(self) -> Generator[Frame, None, None]:
        """The frames.

        Raises:
            FrameSizeChanged: a picture has another size than the first.
            BadImage, ImageTooLarge: opened with `strict`, a picture cannot be read.
        """
        given = 0
        for place, frame in self._frames():
            if frame is None:
                self._note(given, place)
                continue
            if frame.size != self._first.size:
                raise FrameSizeChanged(
                    f"{self._paths[place].name} is {frame.size[0]} x {frame.size[1]} pixels, the first picture "
                    f"{self._first.size[0]} x {self._first.size[1]}: give such pictures one by one, not as a folder"
                )
            yield Frame(frame.rgb, self._time_us(place), frame.rotation_applied)
            given += 1

    def _frames(self) -> Iterator[tuple[int, Frame | None]]:
        yield 0, self._first
        for place, path in enumerate(self._paths[1:], 1):
            try:
                yield place, read_picture(path, self._limits)
            except BadImage as error:
                if self._strict:
                    raise BadImage(f"{path.name}: {error}") from error
                yield place, None

    def _note(self, given: int, place: int) -> None:
        self.gaps = (*self.gaps, ClipGap(given - 1, self._time_us(place) or 0, GapReason.DAMAGED))

    def _time_us(self, place: int) -> int | None:
        return None if self.rate is None else round(place * MICROSECONDS / self.rate)


@contextmanager
def open_pictures(
    paths: Sequence[Path], rate: Fraction | None, limits: ClipLimits, *, strict: bool = False
) -> Iterator[PictureSequence]:
    """Open pictures as a clip, and read the first one.

    Raises:
        BadImage, ImageTooLarge: of the first picture.
        OSError: as of any file.
    """
    yield PictureSequence(paths, rate, limits, strict)


def read_picture(path: Path, limits: ClipLimits) -> Frame:
    """The upright picture in a file: JPEG, PNG, WebP, BMP, TIFF or AVIF. 16 bits become 8.

    Raises:
        BadImage: none of them, or broken.
        ImageTooLarge: it has more pixels than allowed.
        OSError: as of any file.
    """
    data = path.read_bytes()
    if data.startswith(TIFF):
        return _tiff(data, limits)
    if data[4:8] == b"ftyp" and data[8:12] in AVIF_BRANDS:
        with ExitStack() as stack:
            return next(iter(stack.enter_context(open_video(path, limits, strict=True))))
    return image.decode(data, image.checked_header(data, len(data), limits.pixels))


def kind_of(path: Path) -> str:
    """The kind of a picture by the ending of its name, such as "jpeg"."""
    ending = path.suffix.lower().removeprefix(".")
    return {"jpg": "jpeg", "tif": "tiff"}.get(ending, ending)


def _tiff(data: bytes, limits: ClipLimits) -> Frame:
    """The first picture of a TIFF. OpenCV reads no more than 2^30 pixels; what is allowed is less."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        rgb = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise BadImage(f"a broken TIFF: {error.err}") from error
    if rgb is None:
        raise BadImage("a broken or cut off TIFF image")
    limits.check_pixels(rgb.shape[1], rgb.shape[0])
    turn = from_exif(image.tiff_orientation(data))
    return Frame(turn.apply(rgb), rotation_applied=turn.turn)
