"""Error rates of the person score."""

import numpy as np
import pytest

from tests.support.dots import DotEngine
from tests.training import made_up
from training.evaluation.presence import presence_rates, rates_of


def test_rates_count_both_kinds_of_error() -> None:
    """Missed people lie below a threshold, false ones reach it."""
    rates = rates_of(np.array([0.05, 0.4, 0.95, 0.95]), np.array([0.05, 0.3, 0.05, 0.6]))
    assert (rates.people, rates.empty) == (4, 4)
    assert rates.missed[0.3] == 25.0
    assert rates.missed[0.5] == 50.0
    assert rates.false[0.3] == 50.0
    assert rates.false[0.7] == 0.0


def test_a_score_that_is_a_probability_is_calibrated() -> None:
    """Among crops of score 0.75 three in four are people: no calibration error; a sure one of them has it."""
    assert rates_of(np.full(75, 0.75), np.full(25, 0.75)).calibration == pytest.approx(0.0)
    assert rates_of(np.full(75, 0.95), np.full(25, 0.95)).calibration == pytest.approx(20.0)


def test_a_network_that_always_sees_somebody_takes_every_nobody_for_one() -> None:
    """Crops of clips with and without their person are read by the engine."""

    class Sure(DotEngine):
        def _read(self, item):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return replace(super()._read(item), presence=1.0)

    rates = presence_rates(Sure(), [made_up.moving(6)], stride=2)
    assert rates.people == rates.empty == 3
    assert rates.missed[0.9] == 0.0
    assert rates.false[0.9] == 100.0


def test_no_clip_is_an_error() -> None:
    """A rate of nothing is not a rate."""
    with pytest.raises(ValueError, match="at least one clip"):
        presence_rates(DotEngine(), [])
