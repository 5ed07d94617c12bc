"""Who goes with whom."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.people.assignment import best_pairs
from model.values import Array

shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1, 1)))
def test_no_other_pairs_add_up_to_more(values: Array) -> None:
    """Exact, whatever the shape; pairs of nothing are left out."""
    pairs = best_pairs(values)
    assert all(values[pair] > 0 for pair in pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert sum(values[pair] for pair in pairs) == pytest.approx(_most(values))


def test_sixteen_people_are_told_apart() -> None:
    """The most that a session follows, in any order."""
    order = np.random.default_rng(0).permutation(16)
    values = np.eye(16)[order] + 0.4
    assert best_pairs(values) == [*enumerate(order)]


def _most(values: Array) -> float:
    """By trying all."""
    wide = values if values.shape[0] <= values.shape[1] else values.T
    rows = range(wide.shape[0])
    return max(
        sum(max(float(wide[row, column]), 0.0) for row, column in zip(rows, columns, strict=False))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
