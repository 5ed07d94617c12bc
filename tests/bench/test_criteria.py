"""What a soak calls flat, and what not."""

import numpy as np
import pytest

from tests.bench.criteria import MIB, files_rise, memory_trend, slows_down

SECONDS = np.arange(0.0, 720.0, 5.0)


def trend(mb_per_hour: float, scatter_mb: float) -> bool:
    """Whether memory of this slope and noise is said to rise, 20 MB/h being allowed."""
    noise = np.random.default_rng(1).normal(0, scatter_mb, len(SECONDS))
    resident = (300 + mb_per_hour * SECONDS / 3600 + noise) * MIB
    return memory_trend(SECONDS.tolist(), [int(value) for value in resident]).rises(20.0)


@pytest.mark.parametrize(
    ("mb_per_hour", "scatter_mb", "rises"),
    [(0, 0.1, False), (10, 0.1, False), (60, 0.1, True), (60, 1.0, True), (25, 5.0, False), (-60, 0.1, False)],
)
def test_memory_rises_where_the_slope_is_steep_and_above_the_noise(
    mb_per_hour: float, scatter_mb: float, rises: bool
) -> None:
    """Within the noise nothing can be said."""
    assert trend(mb_per_hour, scatter_mb) is rises


def test_a_slope_is_told_in_megabytes_an_hour() -> None:
    """A straight line is met exactly."""
    found = memory_trend([0.0, 1800.0, 3600.0], [0, 6 * MIB, 12 * MIB])

    assert (found.mb_per_hour, found.growth_mb) == pytest.approx((12.0, 12.0))
    assert found.scatter_mb == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("files", "rise"),
    [([20] * 9, False), ([20, 25, 20, 22, 20, 21, 20, 23, 22], False), (list(range(20, 50)), True), ([100] * 9, False)],
)
def test_open_files_may_swing_but_not_rise(files: list[int], rise: bool) -> None:
    """Sessions come and go."""
    assert files_rise(files) is rise


@pytest.mark.parametrize(
    ("p99_ms", "slower"), [([20, 21, 22], False), ([20, 20, 28], False), ([20, 20, 30], True), ([100, 100, 130], True)]
)
def test_the_end_may_be_a_fifth_and_five_milliseconds_slower(p99_ms: list[float], slower: bool) -> None:
    """Than the beginning."""
    assert slows_down(p99_ms) is slower
