"""Weights for tests: right in form, random in content."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from model import weights_file
from model.cards import Provenance
from model.config import KIMNET_LITE, KIMNetConfig
from model.kimnet import KIMNet

PROVENANCE = Provenance(
    version="0.0-test",
    licence="Apache-2.0",
    data="Nothing: random numbers.",
    data_licences={"random": "none"},
    split="none",
    command="tests",
    pck={"jhmdb_test_person@0.2": 1.0},
    pck_per_joint={"jhmdb_test_person@0.2": {"head": 1.0, "left_knee": 2.0}},
    notes="For tests.",
)


def random_network(config: KIMNetConfig = KIMNET_LITE, seed: int = 0) -> KIMNet:
    """A network in eval mode without a symmetry to hide behind: norms, too, hold random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = KIMNet(config)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                _randomise(module)
    return network.eval()


def _randomise(norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    nn.init.normal_(norm.running_mean, std=0.1)
    nn.init.uniform_(norm.running_var, 0.5, 1.5)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias, std=0.1)


def save_random_lite(folder: Path, seed: int = 0) -> Path:
    """Write a random kimnet-lite and its card into the folder; returns the folder, a `weights_dir`."""
    network = random_network(KIMNET_LITE, seed)
    weights_file.save(network, folder / "kimnet-lite.safetensors", replace(PROVENANCE, version=f"0.0-test{seed}"))
    return folder
