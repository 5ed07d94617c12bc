"""A clip seen through another one."""

from collections.abc import Generator
from fractions import Fraction

from model.values import Frame
from service.contract.messages import ClipGap
from service.media.opened import Clip
from service.media.shape import Shape


class ClipView:
    """All facts of a clip as they are, at any time; what is given out of its frames is for subclasses to say."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    @property
    def codec(self) -> str:
        """FFmpeg's codec name."""
        return self._clip.codec

    @property
    def frames_declared(self) -> int | None:
        """How many frames there are to be, or None."""
        return self._clip.frames_declared

    @property
    def duration_us(self) -> int | None:
        """How long it is, microseconds, or None."""
        return self._clip.duration_us

    @property
    def start_us(self) -> int | None:
        """Time of its first frame on its own clock."""
        return self._clip.start_us

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, or None."""
        return self._clip.rate

    @property
    def shape(self) -> Shape:
        """Sizes of its pictures."""
        return self._clip.shape

    @property
    def gaps(self) -> tuple[ClipGap, ...]:
        """Where it is not whole: `after_seq` counts its own frames."""
        return self._clip.gaps

    def __iter__(self) -> Generator[Frame, None, None]:
        """Its frames."""
        yield from iter(self._clip)
