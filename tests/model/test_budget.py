"""What the networks cost: parameters, and arithmetic a frame. 1 FLOP is half a multiply-add."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from model.config import CONFIGS, KIMNetConfig
from model.encoders.simple_baseline import SimpleBaseline
from model.initialisers import initial_maps
from model.kimnet import KIMNet

SIDE = 256


def _on_meta(config: KIMNetConfig) -> KIMNet:
    with torch.device("meta"):
        return KIMNet(config).eval()


def _millions(network: nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


@torch.no_grad()
def _gflop_of_a_later_frame(network: KIMNet) -> float:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        side = network.config.input_size
        features = network.encoder(torch.zeros(1, 3, side, side))
        later = torch.zeros(1, dtype=torch.bool, device="cpu")
        p = initial_maps(network.config, network.initialiser, features, features, later)
        encoded = network.describe(features, p)
        network.recur(encoded.q, encoded.k, encoded.g, torch.zeros_like(encoded.q))
    return float(counter.get_total_flops()) / 1e9


@torch.no_grad()
def _gmac(network: nn.Module) -> float:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE))
    return float(counter.get_total_flops()) / 2e9


@pytest.mark.parametrize(("name", "gflop", "millions"), [("kimnet", 3.2, 7.5), ("kimnet-lite", 0.8, 4.0)])
def test_the_served_networks_stay_in_their_budgets(name: str, gflop: float, millions: float) -> None:
    """At most so much arithmetic a frame and so many parameters; float16 weights take 2 MB a million."""
    network = _on_meta(CONFIGS[name])
    assert 0.5 * gflop < _gflop_of_a_later_frame(network) <= gflop
    assert 0.5 * millions < _millions(network) <= millions


def test_the_papers_network_has_its_size() -> None:
    """ResNet-101 initialiser and ResNet-50 encoder: 87.6 M parameters, 9.80 GMAC a later frame."""
    network = _on_meta(CONFIGS["kimnet-r50"])
    assert _millions(network) == pytest.approx(87.6, abs=0.05)
    assert _gflop_of_a_later_frame(network) / 2 == pytest.approx(9.80, abs=0.01)


@pytest.mark.parametrize(
    ("depth", "gmac", "millions"),
    [(18, 3.86, 15.38), (34, 6.27, 25.48), (50, 7.23, 34.00), (101, 12.08, 52.99), (152, 16.93, None)],
)
def test_simple_baselines_cost_what_is_known(depth: int, gmac: float, millions: float | None) -> None:
    """SimpleBaseline's arithmetic and parameters, with a final layer of 13 joints, are the known ones."""
    with torch.device("meta"):
        network = SimpleBaseline(depth, joints=13).eval()
    assert _gmac(network) == pytest.approx(gmac, abs=0.006)
    if millions is not None:
        assert _millions(network) == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize(("depth", "gmac"), [(18, 1.49), (34, 1.49), (50, 1.89), (152, 1.89)])
@torch.no_grad()
def test_deconvolutions_cost_what_is_known(depth: int, gmac: float) -> None:
    """From stride 32 to joint maps it takes 1.49 GMAC on 512 channels and 1.89 GMAC on 2048."""
    with torch.device("meta"):
        network = SimpleBaseline(depth, joints=13).eval()
        assert network.final_layer is not None
        with FlopCounterMode(display=False) as counter:
            network.final_layer(network.deconv_layers(torch.zeros(1, network.channels, 8, 8)))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.006)
