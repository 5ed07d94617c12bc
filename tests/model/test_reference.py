"""The network equals the paper's equations, with every switch that the paper leaves open."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.kimnet import KIMNet
from tests.model import reference
from tests.model.small import random_clip, small_network

SWITCHES: dict[str, tuple[Any, ...]] = {
    "kmm_norm": ("softmax", "linear"),
    "kmm_act": ("relu", "sigmoid", "bn_relu", "none"),
    "kmm_scale": ("hw", "joints", "dim", "none"),
    "kmm_heat_in": ("final", "fine", "prior"),
    "share_qk": (False, True),
    "residual": (False, True),
    "heatmap_relation": (False, True),
    "detach_prev": (False, True),
    "fuse_act": ("bn_relu", "none"),
    "separable": (False, True),
    "jre_softmax_dim": ("last", "first"),
    "jre_layout": ("fixed", "rpstn"),
    "jre_bn_after": (True, False),
    "jre_scale": ("none", "hw"),
    "jre_own_start_norm": (False, True),
    "initialiser": ("head", "zeros", "resnet101"),
}
"""Every switch with its values, the default first."""

ONE_AT_A_TIME = [{name: value} for name, values in SWITCHES.items() for value in values[1:]]
CHANGING = [switch for switch in ONE_AT_A_TIME if switch != {"detach_prev": True}]


def _possible(switches: dict[str, Any]) -> bool:
    literal_eq9_without_s = switches["kmm_norm"] == "linear" and switches["kmm_act"] == "none"
    maps_may_be_negative = switches["heatmap_relation"] and switches["kmm_norm"] == "linear"
    return not literal_eq9_without_s and not maps_may_be_negative


def _combinations(count: int) -> list[dict[str, Any]]:
    rng = random.Random(5)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < count:
        switches = {name: rng.choice(values) for name, values in SWITCHES.items()}
        drawn += [switches] if _possible(switches) else []
    return drawn


def _label(switches: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in switches.items() if value != SWITCHES[name][0])


def _step_by_step(network: KIMNet, clip: Tensor) -> Tensor:
    """encode, start, recur: frame by frame, the way a session is served."""
    encoded = network.encode(clip[:, 0])
    maps = network.start(encoded.p)
    results = [maps.m]
    later = torch.zeros(len(clip), dtype=torch.bool)
    for t in range(1, clip.shape[1]):
        q_prev = encoded.q
        encoded = network.encode(clip[:, t], fresh=later)
        maps = network.recur(q_prev, encoded.k, encoded.g, maps.carry)
        results.append(maps.m)
    return torch.stack(results, dim=1)


def _expected(network: KIMNet, clip: Tensor) -> reference.Array:
    weights = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}
    results = []
    for frames in clip:
        features = network.encoder(frames).numpy()
        own = network.config.initialiser.startswith("resnet")
        first = network.initialiser(frames[:1])[0].numpy() if own else None
        results.append(reference.run_clip(features, first, weights, network.config))
    return np.stack(results)


@torch.no_grad()
def _assert_equal_to_reference(switches: dict[str, Any]) -> None:
    network, clip = small_network(**switches), random_clip()
    expected = _expected(network, clip)
    assert expected.shape == (2, 5, 5, 8, 8)
    np.testing.assert_allclose(_step_by_step(network, clip).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("switches", [{}, *ONE_AT_A_TIME], ids=_label)
def test_five_frames_equal_the_equations(switches: dict[str, Any]) -> None:
    """encode, start and recur over five frames give what the equations give, with one switch turned at a time."""
    _assert_equal_to_reference(switches)


@pytest.mark.parametrize("switches", _combinations(24), ids=_label)
def test_combined_switches_equal_the_equations(switches: dict[str, Any]) -> None:
    """Switches do what they say beside each other as well."""
    _assert_equal_to_reference(switches)


@pytest.mark.parametrize("switches", CHANGING, ids=_label)
@torch.no_grad()
def test_a_switch_changes_the_result(switches: dict[str, Any]) -> None:
    """No switch is without effect in the comparison above; but stopping gradients changes no value."""
    clip = random_clip()
    plain, switched = small_network(), small_network(**switches)
    kept = {k: v for k, v in plain.state_dict().items() if k in switched.state_dict()}
    same_shape = {k: v for k, v in kept.items() if v.shape == switched.state_dict()[k].shape}
    switched.load_state_dict(same_shape, strict=False)
    difference = (_step_by_step(plain, clip) - _step_by_step(switched, clip)).abs()[:, 1:].max()
    assert difference > 1e-3


@torch.no_grad()
def test_float32_stays_close_to_the_equations() -> None:
    """In float32, the precision that is served, five frames stay within 1e-5 of the largest value."""
    network, clip = small_network(), random_clip()
    expected = _expected(network, clip)
    actual = _step_by_step(network.float(), clip.float()).numpy()
    assert np.abs(actual - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())
