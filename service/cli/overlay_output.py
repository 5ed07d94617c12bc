"""The drawn clip that `kinepose estimate --overlay` writes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from model.values import Frame
from service.clips.output_file import whole_or_nothing
from service.contract.messages import FrameResult
from service.errors import OverlayFailed
from service.media.overlay import OverlayWriter, open_overlay
from service.media.timestamps import FALLBACK_RATE, MICROSECONDS
from service.media.video import Clip


class OverlayOutput:
    """The drawn clip, if one is asked for. A drawing that fails is kept in `failed`, and the joints go on.

    It begins with its first frame at 0. Frames without times follow each other at the clip's rate, or 25 a second.

    Attributes:
        failed: why there is no drawing, once it is known.
    """

    def __init__(self, path: Path | None, clip: Clip) -> None:
        self.failed: Exception | None = None
        self._path = path
        self._clip = clip
        self._writer: OverlayWriter | None = None
        self._open = ExitStack()
        self._first_us: int | None = None
        self._count = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            with self._failing():
                part = self._open.enter_context(whole_or_nothing(self._path))
                self._writer = self._open.enter_context(open_overlay(part, self._clip.shape, self._clip.rate))
        return self

    def draw(self, frame: Frame, result: FrameResult) -> None:
        """Add a frame, unless the drawing has failed."""
        if self._writer is not None:
            with self._failing():
                self._writer.write(self._timed(frame), result)

    def _timed(self, frame: Frame) -> Frame:
        """The frame at its time in the drawn clip."""
        if frame.pts_us is None:
            pts_us = round(self._count * MICROSECONDS / (self._clip.rate or FALLBACK_RATE))
        else:
            self._first_us = frame.pts_us if self._first_us is None else self._first_us
            pts_us = frame.pts_us - self._first_us
        self._count += 1
        return Frame(frame.rgb, pts_us, frame.rotation_applied)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.failed is None:
            with self._failing():
                self._open.__exit__(kind, error, trace)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OverlayFailed, OSError) as error:
            self.failed, self._writer = error, None
            with suppress(OverlayFailed, OSError):
                self._open.__exit__(type(error), error, error.__traceback__)
