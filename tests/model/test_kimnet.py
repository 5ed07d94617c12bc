"""How the network is run: in one go or step by step, batched or alone, with and without an initialiser of its own."""

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from model.config import CONFIGS, KIMNET_LITE
from model.encoders.build import build_encoder, build_initialiser
from model.encoders.simple_baseline import SimpleBaseline
from model.kimnet import KIMNet
from tests.model.small import DIM, JOINTS, PatchReader, random_clip, small_network, unrolled

BATCH = 3


def _assert_equal(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=1e-12)


@pytest.fixture
def separate() -> KIMNet:
    """A network whose initialiser reads pictures by itself."""
    return small_network(initialiser="resnet101")


def _saw(network: KIMNet) -> list[Tensor]:
    return cast(PatchReader, network.initialiser).seen


@torch.no_grad()
@pytest.mark.parametrize("initialiser", ["head", "zeros", "resnet101"])
def test_unrolling_equals_stepping(initialiser: str) -> None:
    """A clip encoded at once and then recurred through gives what a session gives frame by frame."""
    network, clip = small_network(initialiser=initialiser), random_clip()
    encoded = network.encode(clip[:, 0])
    maps = network.start(encoded.p)
    stepped = [maps.m]
    for t in range(1, clip.shape[1]):
        q_prev, encoded = encoded.q, network.encode(clip[:, t])
        maps = network.recur(q_prev, encoded.k, encoded.g, maps.carry)
        stepped.append(maps.m)
    _assert_equal(unrolled(network, clip), torch.stack(stepped, dim=1))


@torch.no_grad()
def test_a_batch_equals_its_members() -> None:
    """A clip gives the same maps beside others as alone."""
    network, clips = small_network(), random_clip(batch=BATCH)
    together = unrolled(network, clips)
    alone = torch.cat([unrolled(network, clip[None]) for clip in clips])
    _assert_equal(together, alone)


@torch.no_grad()
@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
def test_conv_g_is_the_sum_of_its_halves(separable: bool) -> None:
    """One convolution over [m; f] equals the prior's half plus the features' half."""
    fusion = small_network(separable=separable).fusion
    prior, features = torch.rand(2, JOINTS, 8, 8).double(), torch.rand(2, DIM, 8, 8).double()
    halves = fusion.over_prior(prior) + fusion.project_features(features)
    x = torch.cat([prior, features], dim=1)
    bias = fusion.over_features.state_dict()["conv.1.bias" if separable else "conv.bias"]
    for kernel, groups in _kernels_over_both(fusion.state_dict(), separable):
        x = torch.nn.functional.conv2d(x, kernel, None, 1, kernel.shape[-1] // 2, 1, groups)
    _assert_equal(x + bias[:, None, None], halves)


def _kernels_over_both(state: dict[str, Tensor], separable: bool) -> list[tuple[Tensor, int]]:
    def joined(name: str, axis: int) -> Tensor:
        return torch.cat([state[f"over_prior.{name}"], state[f"over_features.{name}"]], dim=axis)

    if separable:
        return [(joined("conv.0.weight", 0), JOINTS + DIM), (joined("conv.1.weight", 1), 1)]
    return [(joined("conv.weight", 1), 1)]


@torch.no_grad()
def test_only_fresh_rows_meet_the_initialiser(separate: KIMNet) -> None:
    """A separate initialiser reads the pictures that start a session, and no others."""
    images = random_clip(batch=BATCH, frames=1)[:, 0]
    p = separate.encode(images, torch.tensor([False, True, False])).p
    (seen,) = _saw(separate)
    assert torch.equal(seen, images[1:2])
    assert torch.equal(p[1:2], separate.initialiser(images[1:2]))
    assert not p[[0, 2]].any()


@torch.no_grad()
def test_no_fresh_row_means_no_initialiser(separate: KIMNet) -> None:
    """In the middle of sessions a separate initialiser does not run at all."""
    separate.encode(random_clip(batch=BATCH, frames=1)[:, 0], torch.zeros(BATCH, dtype=torch.bool))
    assert _saw(separate) == []


@torch.no_grad()
def test_all_rows_are_fresh_unless_told(separate: KIMNet) -> None:
    """Without `fresh` every picture starts a session."""
    images = random_clip(batch=BATCH, frames=1)[:, 0]
    separate.encode(images)
    assert [len(seen) for seen in _saw(separate)] == [BATCH]


@pytest.mark.parametrize("detach", [False, True], ids=["joined", "detached"])
def test_detaching_stops_gradients_between_frames(detach: bool) -> None:
    """The loss of the last frame reaches the first picture, unless gradients are stopped between frames."""
    network, clip = small_network(detach_prev=detach), random_clip(frames=2).requires_grad_()
    unrolled(network, clip)[:, 1].square().sum().backward()  # type: ignore[no-untyped-call]
    assert clip.grad is not None
    assert bool(clip.grad[:, 1].any())
    assert bool(clip.grad[:, 0].any()) is not detach


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
@pytest.mark.parametrize("joints", [None, 13])
def test_resnets_give_maps_at_stride_4(depth: int, joints: int | None) -> None:
    """Every ResNet gives 256 feature channels as an encoder and K maps as an initialiser."""
    with torch.device("meta"):
        network = SimpleBaseline(depth, joints)
        out = network(torch.zeros(2, 3, 256, 256, dtype=torch.uint8))
    assert out.shape == (2, joints or 256, 64, 64)


@torch.no_grad()
def test_the_papers_network_runs() -> None:
    """kimnet-r50 goes from pictures through a first and a later frame to 13 maps."""
    with torch.device("meta"):
        network = KIMNet(CONFIGS["kimnet-r50"]).eval()
        images = torch.zeros(2, 3, 256, 256)
        first = network.start(network.initialiser(images))
        encoded = network.describe(network.encoder(images), first.m)
        later = network.recur(encoded.q, encoded.k, encoded.g, first.carry)
    assert later.m.shape == (2, 13, 64, 64)


@torch.no_grad()
def test_a_whole_resnet_network_unrolls() -> None:
    """Real numbers go through ResNets as encoder and initialiser, and stay finite."""
    config = replace(KIMNET_LITE, encoder="resnet18", initialiser="resnet34", dim=256, input_size=64)
    maps = unrolled(KIMNet(config).eval(), torch.rand(1, 2, 3, 64, 64) * 255)
    assert maps.shape == (1, 2, 13, 16, 16)
    assert bool(maps.isfinite().all())


@torch.no_grad()
def test_simple_baseline_reads_blue_first() -> None:
    """Pictures arrive red first; the network sees blue first, by ImageNet's numbers in their own order."""
    network = SimpleBaseline(18)
    red = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    red[:, 0] = 255
    expected = [(0 - 0.485) / 0.229, (0 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(network.normalise(red)[0, :, 0, 0], torch.tensor(expected))


def test_unknown_names_are_refused() -> None:
    """A name that is no network is a ValueError that names it, and so is a width that a ResNet does not give."""
    with pytest.raises(ValueError, match="unknown encoder vgg"):
        build_encoder("vgg", 256)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected dim 256, got 64"):
        build_encoder("resnet50", 64)
    with pytest.raises(ValueError, match="unknown initialiser head"):
        build_initialiser("head", 13)
