"""The relation of frames: rows that sum to 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.config import Norm
from model.kmm import carry, relation


def _maps(seed: int, height: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 5, 8, 8, generator=generator, dtype=torch.float64) * height


@given(st.integers(0, 1000), st.floats(3e-3, 10.0))
@pytest.mark.parametrize("norm", ["linear", "softmax"])
def test_rows_sum_to_one(norm: Norm, seed: int, height: float) -> None:
    """Eq. 9, however faint the maps: a weak row is no reason to carry less than all."""
    weights = relation(_maps(seed, height), _maps(seed + 1, height), 8.0, norm)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 5, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_joint_that_nothing_relates_to_carries_nothing() -> None:
    """An all-zero key leaves its row at zero, finite, and so does its gradient."""
    keys = _maps(1, 1.0)
    keys[:, 2] = 0
    keys.requires_grad_()
    weights = relation(_maps(0, 1.0), keys, 8.0, "linear")
    assert not weights[:, 2].any()
    prior = carry(weights, _maps(2, 1.0))
    assert not prior[:, 2].any()
    prior.sum().backward()  # type: ignore[no-untyped-call]
    assert keys.grad is not None
    assert bool(keys.grad.isfinite().all())
