"""Part of a clip: from a time, to a time, every so many frames."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

from model.values import Frame
from service.errors import BadRequest
from service.media.opened import Clip
from service.media.view import ClipView


@dataclass(frozen=True, slots=True)
class Part:
    """Which frames are taken.

    Attributes:
        start_us, end_us: from the first one at or after `start_us` to the last one before `end_us` (None: the clip's
            end), on the clock that begins with 0 at the clip's first frame.
        every: 1 takes all of these, n the first one and each n-th after it.
    """

    start_us: int = 0
    end_us: int | None = None
    every: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole clip."""
        return self == Part()


class Excerpt(ClipView):
    """A clip of which only a part is given out; times stay those of the whole clip.

    What comes before the part is decoded and passed over: a clip may be entered at key frames only.
    """

    def __init__(self, clip: Clip, part: Part) -> None:
        super().__init__(clip)
        self._part = part

    @property
    def frames_declared(self) -> int | None:
        """Of the part; None where it is cut out by times."""
        whole = super().frames_declared
        if whole is None or self._part.start_us or self._part.end_us is not None:
            return None
        return math.ceil(whole / self._part.every)

    @property
    def rate(self) -> Fraction | None:
        """Frames a second that are given out, or None."""
        whole = super().rate
        return None if whole is None else whole / self._part.every

    def __iter__(self) -> Generator[Frame, None, None]:
        """The part's frames. BadRequest where the clip has no times, and the part is told by them."""
        with closing(iter(self._clip)) as frames:
            for number, frame in enumerate(_between(frames, self._part)):
                if number % self._part.every == 0:
                    yield frame


def _between(frames: Iterator[Frame], part: Part) -> Iterator[Frame]:
    if not part.start_us and part.end_us is None:
        yield from frames
        return
    for frame in frames:
        if frame.pts_us is None:
            raise BadRequest("these pictures have no times to start or end at")
        if part.end_us is not None and frame.pts_us >= part.end_us:
            return
        if frame.pts_us >= part.start_us:
            yield frame
