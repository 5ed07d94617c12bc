"""Paths made smooth: one-euro (causal), Butterworth and Savitzky-Golay (both ways); outliers and gaps before that.

All take and give float64 [T, ...] over times of [T], where NaN is "not seen". Butterworth and Savitzky-Golay need
scipy (the extra `kinematics`).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

import numpy as np

from model.values import Array

Smoother = Callable[..., Array]
"""values [T, ...], times [T], strength -> values [T, ...]."""

HAMPEL_FRAMES: Final = 3
"""A value is held against so many on each side of it."""
HAMPEL_DEVIATIONS: Final = 3.0
MAD_TO_DEVIATION: Final = 1.4826
"""Of a normal distribution."""
BUTTERWORTH_ORDER: Final = 2
"""Of each of the two passes, forth and back, which make a fourth-order filter without lag."""
TWO_PASSES: Final = (math.sqrt(2) - 1) ** 0.25
"""Each pass gets a cut-off that much higher, so that both together have the one that was asked for (Winter, 2009)."""
SAVGOL_DEGREE: Final = 3
UNEVEN: Final = 0.01
"""Steps of time that differ by more than this share are resampled to an even grid for filters that need one."""


class OneEuro:
    """The one-euro filter (Casiez et al., 2012): the faster something moves, the less it is smoothed.

    Attributes:
        last: time in seconds, value and speed that it goes on from; None at the start.

    Args:
        min_cutoff_hz: cut-off where nothing moves: lower is smoother.
        beta: how much it rises with speed, in 1/(units a second) Hz: higher lags less.
        derivative_cutoff_hz: of the speed itself.
    """

    def __init__(self, min_cutoff_hz: float = 1.0, beta: float = 0.02, derivative_cutoff_hz: float = 1.0) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._derivative_cutoff_hz = derivative_cutoff_hz
        self.last: tuple[float, Array, Array] | None = None

    def __call__(self, time_s: float, value: Array) -> Array:
        """The value smoothed, from those before it; a part that is NaN begins anew when it is seen again."""
        if self.last is None or time_s <= self.last[0]:
            self.last = time_s, value, np.zeros_like(value)
            return value
        last_s, last, last_speed = self.last
        step_s = time_s - last_s
        speed = _blend(last_speed, (value - last) / step_s, _share(self._derivative_cutoff_hz, step_s))
        cutoff_hz = self._min_cutoff_hz + self._beta * np.abs(np.nan_to_num(speed))
        smoothed = _blend(last, value, _share(cutoff_hz, step_s))
        self.last = time_s, smoothed, np.nan_to_num(speed)
        return smoothed


def _share(cutoff_hz: Any, step_s: float) -> Any:
    """How much of a new value a first-order low pass takes."""
    turn = 2 * np.pi * cutoff_hz * step_s
    return turn / (turn + 1)


def _blend(old: Array, new: Array, share: Any) -> Array:
    return np.where(np.isnan(old), new, old + share * (new - old))


def one_euro(values: Array, time_s: Array, min_cutoff_hz: float = 1.0, beta: float = 0.02) -> Array:
    """All values through one `OneEuro`, in order."""
    smooth = OneEuro(min_cutoff_hz, beta)
    return np.stack([smooth(float(at), value) for at, value in zip(time_s, values, strict=True)])


def butterworth(values: Array, time_s: Array, cutoff_hz: float = 6.0) -> Array:
    """A fourth-order low pass without lag. Pieces between gaps are filtered by themselves; the shortest stay."""
    signal = import_module("scipy.signal")

    def smooth(piece: Array, hz: float) -> Array:
        edge = cutoff_hz / TWO_PASSES / (hz / 2)
        if edge >= 1:
            return piece  # Nothing that could be seen at this rate is above the cut-off.
        sections = signal.butter(BUTTERWORTH_ORDER, edge, output="sos")
        padding = min(len(piece) - 1, math.ceil(hz / cutoff_hz))
        filtered: Array = signal.sosfiltfilt(sections, piece, axis=0, padlen=padding)
        return filtered

    return _by_pieces(values, time_s, smooth, shortest=4)


def savgol(values: Array, time_s: Array, window_s: float = 0.3) -> Array:
    """Polynomials of third degree through the values within the window, the middle of it taken."""
    signal = import_module("scipy.signal")

    def smooth(piece: Array, hz: float) -> Array:
        window = max(SAVGOL_DEGREE + 2, round(window_s * hz)) | 1
        if window > len(piece):
            return piece
        filtered: Array = signal.savgol_filter(piece, window, SAVGOL_DEGREE, axis=0)
        return filtered

    return _by_pieces(values, time_s, smooth, shortest=SAVGOL_DEGREE + 2)


# -- before it --------------------------------------------------------------------------------------------


def without_outliers(xy: Array, least_px: float) -> Array:
    """Joints [T, K, 2] with NaN for those that leave the middle of their neighbours in time (Hampel's rule).

    Args:
        least_px: nearer than this to the middle nothing is an outlier.
    """
    middle, deviation = _neighbours(xy)
    far = np.abs(xy - middle) > np.maximum(HAMPEL_DEVIATIONS * deviation, least_px)
    return np.where(far.any(axis=2, keepdims=True), np.nan, xy)


def _neighbours(xy: Array) -> tuple[Array, Array]:
    """Median, and standard deviation by the median of distances from it, of the values around each one."""
    edge = np.full((HAMPEL_FRAMES, *xy.shape[1:]), np.nan)
    padded = np.concatenate((edge, xy, edge))
    around = np.stack([padded[i : i + len(xy)] for i in range(2 * HAMPEL_FRAMES + 1)])  # [W, T, K, 2]
    middle = _nanmedian(around)
    return middle, MAD_TO_DEVIATION * _nanmedian(np.abs(around - middle))


def _nanmedian(values: Array) -> Array:
    """Along the first axis; NaN, without a warning, where all are."""
    ordered = np.sort(values, axis=0)  # NaN comes last.
    count = (~np.isnan(values)).sum(axis=0)
    low, high = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    take = [np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, np.minimum(high, len(values) - 1))]
    median: Array = np.where(count > 0, (take[0] + take[1]) / 2, np.nan)
    return median


def filled(values: Array, time_s: Array, longest_s: float) -> Array:
    """Straight lines across gaps that are no longer than that; nothing before the first value or after the last."""
    flat = values.reshape(len(values), -1).copy()
    for column in flat.T:
        seen = np.flatnonzero(~np.isnan(column))
        for before, after in itertools.pairwise(seen):
            if after > before + 1 and time_s[after] - time_s[before] <= longest_s:
                between = slice(before + 1, after)
                column[between] = np.interp(time_s[between], time_s[[before, after]], column[[before, after]])
    return flat.reshape(values.shape)


# -- pieces -----------------------------------------------------------------------------------------------


def _by_pieces(values: Array, time_s: Array, smooth: Callable[[Array, float], Array], shortest: int) -> Array:
    """Each column's pieces without NaN, on an even grid of time, through `smooth`."""
    flat = values.reshape(len(values), -1).copy()
    for column in flat.T:
        for start, end in _pieces(column):
            if end - start >= shortest:
                column[start:end] = _on_even_grid(column[start:end], time_s[start:end], smooth)
    return flat.reshape(values.shape)


def _pieces(column: Array) -> Iterator[tuple[int, int]]:
    seen = np.concatenate(([False], ~np.isnan(column), [False])).astype(np.int8)
    turns = np.diff(seen)
    return zip(np.flatnonzero(turns == 1).tolist(), np.flatnonzero(turns == -1).tolist(), strict=True)


def _on_even_grid(piece: Array, time_s: Array, smooth: Callable[[Array, float], Array]) -> Array:
    steps = np.diff(time_s)
    step = float(np.median(steps))
    if np.all(np.abs(steps - step) <= UNEVEN * step):
        return smooth(piece, 1 / step)
    grid = np.linspace(time_s[0], time_s[-1], round(float(time_s[-1] - time_s[0]) / step) + 1)
    even = smooth(np.interp(grid, time_s, piece), 1 / float(grid[1] - grid[0]))
    return np.interp(time_s, grid, even)
