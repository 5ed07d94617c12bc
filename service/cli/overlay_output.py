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
from service.media.opened import Clip
from service.media.overlay import CONTAINERS, OverlayWriter, open_overlay


class OverlayOutput:
    """The drawn clip, if one is asked for. A drawing that fails is kept in `failed`, and the joints go on.

    Args:
        path: its ending is one of `service.media.overlay.CONTAINERS`.
        clip: whose frames are drawn.
        sound_of: a file whose sound is kept.

    Attributes:
        failed: why there is no drawing, once it is known.
    """

    def __init__(self, path: Path | None, clip: Clip, sound_of: Path | None) -> None:
        self.failed: Exception | None = None
        self._path = path
        self._clip = clip
        self._sound_of = sound_of
        self._writer: OverlayWriter | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._path is not None:
            with self._failing():
                part = self._open.enter_context(whole_or_nothing(self._path))
                container = CONTAINERS[self._path.suffix.lower()]
                self._writer = self._open.enter_context(open_overlay(part, self._clip, container, self._sound_of))
        return self

    def draw(self, frame: Frame, result: FrameResult) -> None:
        """Add a frame, unless the drawing has failed."""
        if self._writer is not None:
            with self._failing():
                self._writer.write(frame, result)

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
