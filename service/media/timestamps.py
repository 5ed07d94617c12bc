"""Presentation times of a clip's frames: from 0 at its first one, repaired where the file lacks them or they jump."""

from fractions import Fraction

MICROSECONDS = 1_000_000
FALLBACK_RATE = Fraction(25)

FARTHEST_US = 2**60
"""36,000 years: a time further off is none. Some files say such ones, and no wire carries them."""
LONGEST_PAUSE_US = 10 * MICROSECONDS
"""In a container of broadcasts, whose clock may jump, more than this between two pictures is such a jump: two
recordings joined. FFmpeg's program draws the line there too. In other containers it is a pause."""
LONGEST_LOSS_US = 600 * MICROSECONDS
"""The same where pictures in between are known to be lost."""


def in_us(ticks: int | None, unit: Fraction) -> int | None:
    """Microseconds of a time in units of so many microseconds; None where there is none, see FARTHEST_US."""
    time = None if ticks is None else round(ticks * unit)
    return time if time is not None and abs(time) <= FARTHEST_US else None


class Timestamps:
    """Times in microseconds, strictly increasing from 0: a clip is as long as what is in it, wherever its clock stood.

    A good time is passed through, less that of the first picture, so a variable frame rate is kept. Otherwise:
        missing (raw streams, some AVIs)    the neighbour before it plus one frame at the declared rate
        repeated, or less than a frame back the neighbour plus 1 µs, so that the times after it stay true
        further back (joined recordings)    the clip goes on one frame later, and all that follows moves along
        far ahead, where the clock may jump likewise

    Args:
        time_base, rate: of the stream, in seconds and in pictures a second.
        jumps: whether the container's clock may jump.

    Attributes:
        start_us: time of the first picture on the clip's own clock; None before it, 0 where it has none.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, jumps: bool = False) -> None:
        self.start_us: int | None = None
        self._unit = time_base * MICROSECONDS
        self._step = max(1, round(MICROSECONDS / (rate or FALLBACK_RATE)))
        self._jumps = jumps
        self._shift = 0
        self._last: int | None = None

    def next_us(self, pts: int | None, after_loss: bool = False) -> int:
        """Time of the next frame from its pts in the stream's time base, None where it has none."""
        time = in_us(pts, self._unit)
        if self._last is None:
            self.start_us = time or 0
            self._shift = -self.start_us
        self._last = self._repaired(time, LONGEST_LOSS_US if after_loss else LONGEST_PAUSE_US)
        return self._last

    @property
    def due_us(self) -> int:
        """When the next frame is due at the declared rate."""
        return 0 if self._last is None else self._last + self._step

    def _repaired(self, time: int | None, longest_us: int) -> int:
        if time is None or self._last is None:
            return self.due_us
        time += self._shift
        ahead = time - self._last
        if ahead > 0 and (ahead <= longest_us or not self._jumps):
            return time
        if -self._step < ahead <= 0:
            return self._last + 1
        self._shift += self.due_us - time
        return self.due_us
