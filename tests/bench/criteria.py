"""When a soak is passed: the criteria, each a pure function of what was sampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MIB = 1024 * 1024
SCATTERS = 2.0
MORE_FILES, MORE_FILES_SHARE = 3, 0.05
SLOWER_SHARE, SLOWER_MS = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through the memory of one process.

    Attributes:
        mb_per_hour: its slope.
        growth_mb: what the slope comes to over the time that was looked at.
        scatter_mb: standard deviation of the samples around it.
    """

    mb_per_hour: float
    growth_mb: float
    scatter_mb: float

    def rises(self, most_mb_per_hour: float) -> bool:
        """Steeper than allowed, and by more than the noise."""
        return self.mb_per_hour > most_mb_per_hour and self.growth_mb > SCATTERS * self.scatter_mb


def memory_trend(seconds: Sequence[float], resident_bytes: Sequence[int]) -> Trend:
    """The least-squares line. At least three samples."""
    at, megabytes = np.asarray(seconds), np.asarray(resident_bytes) / MIB
    slope, start = np.polyfit(at, megabytes, 1)
    scatter = float(np.std(megabytes - (slope * at + start)))
    return Trend(float(slope) * 3600, float(slope * (at[-1] - at[0])), scatter)


def files_rise(open_files: Sequence[int]) -> bool:
    """The last third's median is above the first third's by more than 3 and more than 5 %."""
    first, last = (float(np.median(part)) for part in _outer_thirds(open_files))
    return last > first + max(MORE_FILES, MORE_FILES_SHARE * first)


def slows_down(p99_ms: Sequence[float]) -> bool:
    """The last third's mean p99 is above the first third's by more than 20 % and 5 ms."""
    first, last = (float(np.mean(part)) for part in _outer_thirds(p99_ms))
    return last > first * (1 + SLOWER_SHARE) + SLOWER_MS


def _outer_thirds(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    size = max(1, len(values) // 3)
    return values[:size], values[-size:]
