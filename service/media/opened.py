"""What an opened clip is, wherever it is read: the server knows this, and loads no decoder."""

from collections.abc import Generator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from model.values import Frame
from service.contract.messages import ClipGap
from service.media.limits import ClipLimits
from service.media.shape import Shape


class OpenedClip(Protocol):
    """An opened clip, wherever it is read: what `Video` says of these."""

    @property
    def codec(self) -> str: ...
    @property
    def frames_declared(self) -> int | None: ...
    @property
    def duration_us(self) -> int | None: ...
    @property
    def start_us(self) -> int | None: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def gaps(self) -> tuple[ClipGap, ...]: ...
    def __iter__(self) -> Generator[Frame, None, None]: ...


class Clip(OpenedClip, Protocol):
    """An opened clip whose rate is known, too."""

    @property
    def rate(self) -> Fraction | None: ...


class OpenClip(Protocol):
    """What opens a clip: `open_video`, or what does the same elsewhere."""

    def __call__(
        self, path: Path, limits: ClipLimits, *, strict: bool = False
    ) -> AbstractContextManager[OpenedClip]: ...
