"""HRNet-W32 and the stacked hourglass: shapes, sizes, and the official names."""

from pathlib import Path

import pytest
import torch

from model.checkpoints import CheckpointMismatch, load_hrnet
from model.encoders.build import build_encoder
from model.encoders.hourglass import StackedHourglass
from model.encoders.hrnet import HRNet

OFFICIAL = {
    "conv1.weight": (64, 3, 3, 3),
    "layer1.0.downsample.0.weight": (256, 64, 1, 1),
    "transition1.0.0.weight": (32, 256, 3, 3),
    "transition1.1.0.0.weight": (64, 256, 3, 3),
    "stage2.0.branches.1.3.bn2.running_var": (64,),
    "stage2.0.fuse_layers.0.1.0.weight": (32, 64, 1, 1),
    "stage2.0.fuse_layers.1.0.0.0.weight": (64, 32, 3, 3),
    "transition2.2.0.1.weight": (128,),
    "stage3.3.fuse_layers.2.0.0.0.weight": (32, 32, 3, 3),
    "stage3.3.fuse_layers.2.0.1.1.weight": (128,),
    "transition3.3.0.0.weight": (256, 128, 3, 3),
    "stage4.1.fuse_layers.3.0.2.0.weight": (256, 32, 3, 3),
    "stage4.2.fuse_layers.0.3.1.bias": (32,),
}
"""Some of the names in pose_hrnet_w32_256x256.pth, with their shapes."""


def test_names_and_shapes_are_the_official_ones() -> None:
    """A released checkpoint loads by key; its last exchange fuses into the finest branch alone."""
    with torch.device("meta"):
        state = HRNet().state_dict()
    assert {name: tuple(state[name].shape) for name in OFFICIAL} == OFFICIAL
    assert not [name for name in state if name.startswith("stage4.2.fuse_layers.1")]
    assert not [name for name in state if name.startswith("transition2.0")]


def test_sizes_are_the_known_ones() -> None:
    """28.5 M parameters of HRNet-W32, but for its final layer."""
    with torch.device("meta"):
        millions = sum(p.numel() for p in HRNet().parameters()) / 1e6
    assert millions == pytest.approx(28.54, abs=0.01)


@pytest.mark.parametrize(("name", "dim"), [("hrnet_w32", 32), ("hourglass", 256)])
def test_features_have_stride_4(name: str, dim: int) -> None:
    """Pictures to D channels at a quarter of their size; another D is refused."""
    with torch.device("meta"):
        network = build_encoder(name, dim)  # type: ignore[arg-type]
        out = network(torch.zeros(2, 3, 128, 128, dtype=torch.uint8))
    assert out.shape == (2, dim, 32, 32)
    with pytest.raises(ValueError, match=f"expected dim {dim}, got 48"):
        build_encoder(name, 48)  # type: ignore[arg-type]


@torch.no_grad()
def test_a_batch_equals_its_members() -> None:
    """Real numbers go through both, each picture by itself."""
    images = torch.rand(2, 3, 64, 64) * 255
    for network in (HRNet().eval(), StackedHourglass().eval()):
        together = network(images)
        assert bool(together.isfinite().all())
        torch.testing.assert_close(together[1:], network(images[1:]), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_loads_without_its_final_layer(tmp_path: Path) -> None:
    """Whatever joints it was made for; one of another network is refused and changes nothing."""
    network = HRNet()
    state = {f"module.{key}": value + 1 for key, value in network.state_dict().items()}
    state["module.final_layer.weight"] = torch.zeros(16, 32, 1, 1)
    torch.save({"state_dict": state}, tmp_path / "hrnet.pth")
    before = network.conv1.weight.clone()
    load_hrnet(network, tmp_path / "hrnet.pth")
    torch.testing.assert_close(network.conv1.weight, before + 1)
    torch.save({"conv1.weight": before}, tmp_path / "other.pth")
    with pytest.raises(CheckpointMismatch):
        load_hrnet(network, tmp_path / "other.pth")
