"""Pools: people are drawn by the weight of their source."""

from collections import Counter

import numpy as np
import pytest

from tests.training import made_up
from training.samples.pool import Pool, draw


def _drawn(pools: list[Pool], times: int = 900) -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(draw(pools, rng).name for _ in range(times))


def test_sources_are_drawn_by_weight_whatever_their_size() -> None:
    """One clip of weight 2 comes as often as all of eight clips of weight 1, twice over."""
    alone, many = Pool([made_up.still(0)], weight=2.0), Pool([made_up.still(i) for i in range(1, 9)])
    drawn = _drawn([alone, many])
    assert abs(drawn["moving0"] - 600) < 60  # over four standard deviations
    assert len(drawn) == 9
    assert all(abs(drawn[f"moving{i}"] - 37.5) < 25 for i in range(1, 9))


def test_a_source_without_people_is_left_out() -> None:
    """Its weight is not drawn from."""
    assert _drawn([Pool([], weight=5.0), Pool([made_up.still(3)])], 20) == {"moving3": 20}


def test_nobody_to_draw_is_an_error() -> None:
    """Rather than a sample of nothing."""
    with pytest.raises(ValueError, match="every pool is empty"):
        draw([Pool([]), Pool([])], np.random.default_rng(0))
