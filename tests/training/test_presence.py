"""The loss of the presence head, and what a network learns from samples with nobody in them."""

import numpy as np
import pytest
import torch

from model.config import KIMNET_LITE
from model.kimnet import KIMNet
from training.losses.clips import ClipLosses
from training.losses.pictures import PictureLosses
from training.losses.presence import presence_loss


def test_the_loss_is_the_cross_entropy() -> None:
    """Against its formula in numpy, over any leading axes."""
    logits = np.random.default_rng(0).normal(0, 3, (2, 4))
    present = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], bool)
    probability = 1 / (1 + np.exp(-logits))
    expected = -np.where(present, np.log(probability), np.log(1 - probability)).mean()
    assert float(presence_loss(torch.tensor(logits), torch.tensor(present))) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def network() -> KIMNet:
    """A fresh one."""
    torch.manual_seed(0)
    return KIMNet(KIMNET_LITE).train()


def _pictures(present: list[bool]) -> tuple[torch.Tensor, ...]:
    count = len(present)
    images = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8)
    cells = torch.full((count, 13, 2), 8.0)
    cells[~torch.tensor(present)] = -1e4
    return images, cells, torch.ones(count, 13, dtype=torch.bool), torch.tensor(present)


def test_pictures_teach_the_presence_head(network: KIMNet) -> None:
    """Its weights get a gradient from people and from backgrounds alike."""
    for present in ([True, True], [False, False]):
        network.zero_grad()
        losses = PictureLosses(network)(_pictures(present), 2.0)
        assert {"first", "later", "presence"} == losses.keys()
        losses["presence"].backward()
        assert network.presence.linear.weight.grad is not None
        assert bool(network.presence.linear.weight.grad.any())


def test_clips_teach_the_presence_head_frame_by_frame(network: KIMNet) -> None:
    """A person who leaves is there in some frames and not in others."""
    images, cells, labelled, present = _pictures([True, False, True, False])
    thetas = torch.eye(2, 3).expand(2, 2, 2, 3)
    batch = tuple(x.reshape(2, 2, *x.shape[1:]) for x in (images, cells, labelled))
    losses = ClipLosses(network)((*batch, thetas, present.reshape(2, 2)), 2.0)
    with torch.no_grad():
        logits = network.encode(images.float()).presence
    assert float(losses["presence"].detach()) == pytest.approx(float(presence_loss(logits, present)), rel=1e-3)


def test_an_empty_picture_costs_what_is_seen_in_it(network: KIMNet) -> None:
    """With targets nowhere the heatmap loss is the energy of the maps."""
    images, cells, labelled, present = _pictures([False, False])
    losses = PictureLosses(network)((images, cells, labelled, present), 2.0)
    with torch.no_grad():
        first = network.start(network.encode(images).p).m
    assert float(losses["first"].detach()) == pytest.approx(float(first.square().sum(dim=(-2, -1)).mean()), rel=1e-3)
