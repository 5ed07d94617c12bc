"""Presentation times of a clip's frames, repaired where the file lacks them or they run backwards."""

from fractions import Fraction

MICROSECONDS = 1_000_000
FALLBACK_RATE = Fraction(25)


class Timestamps:
    """Times in microseconds, strictly increasing, in the clip's own time: its start offset stays.

    A good time is passed through as it is, so a variable frame rate is kept. Otherwise:
        missing (raw streams, some AVIs)    the neighbour before it plus one frame at the declared rate
        repeated, or less than a frame back the neighbour plus 1 µs, so that the times after it stay true
        further back (joined recordings)    the clip goes on one frame later, and all that follows moves along
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._unit = time_base * MICROSECONDS
        self._step = max(1, round(MICROSECONDS / (rate or FALLBACK_RATE)))
        self._shift = 0
        self._last: int | None = None

    def next_us(self, pts: int | None) -> int:
        """Time of the next frame from its pts in the stream's time base, None where it has none."""
        time = self._repaired(pts)
        self._last = time
        return time

    def _repaired(self, pts: int | None) -> int:
        if pts is None:
            return 0 if self._last is None else self._last + self._step
        time = round(pts * self._unit) + self._shift
        if self._last is None or time > self._last:
            return time
        if self._last - time < self._step:
            return self._last + 1
        self._shift += self._last + self._step - time
        return self._last + self._step
