"""Losses, made-up priors and the recurrence under a moving crop."""

import numpy as np
import pytest
import torch

from model.config import KIMNET_LITE
from model.coords import frame_to_heatmap, resample_maps, resampling_theta
from model.heatmaps import SIGMA
from model.kimnet import KIMNet
from model.values import FrameTransform
from tests.model.small import JOINTS, random_clip, small_network, unrolled
from tests.support.blobs import blobs
from training.losses.clips import ClipLosses, encode_sequences, sample_maps, unroll_moving
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.losses.prior import made_up_prior


def test_loss_is_the_squared_error_over_labelled_joints() -> None:
    """Against numpy in float64; an unlabelled joint's error does not count."""
    rng = np.random.default_rng(0)
    maps, targets = rng.random((2, 3, 4, 5, 5))
    labelled = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], bool)
    expected = ((maps - targets) ** 2).sum(axis=(2, 3))[labelled].mean()
    loss = heatmap_loss(torch.tensor(maps), torch.tensor(targets), torch.tensor(labelled))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_loss_without_any_label_is_zero() -> None:
    """A batch in which nothing is labelled does not divide by zero."""
    assert (
        float(heatmap_loss(torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, dtype=torch.bool))) == 0
    )


def test_targets_are_the_blobs_that_numpy_draws() -> None:
    """Against the same Gaussians written in numpy."""
    cells = np.random.default_rng(0).random((3, 2)) * 16
    np.testing.assert_allclose(gaussian_targets(torch.tensor(cells), 16, 2.0).numpy(), blobs(cells, 16, 2.0), atol=1e-6)


def test_target_has_height_one_at_its_center() -> None:
    """A target is a Gaussian with peak 1, not rounded to whole cells."""
    target = gaussian_targets(torch.tensor([[20.0, 30.0], [20.5, 30.0]]), 64, SIGMA)
    assert target.shape == (2, 64, 64)
    assert target.dtype == torch.float32
    assert target[0, 30, 20] == 1.0
    assert float(target[0, 30, 22]) == pytest.approx(np.exp(-(2**2) / (2 * SIGMA**2)))
    assert target[1, 30, 20] == target[1, 30, 21] < 1.0


def test_targets_keep_leading_axes() -> None:
    """Joints of many frames make maps of many frames."""
    assert gaussian_targets(torch.zeros(3, 13, 2), 16, SIGMA).shape == (3, 13, 16, 16)


def test_unlabelled_joints_take_the_networks_own_prior() -> None:
    """A made-up blob for a joint without a label would be a lie."""
    own = torch.rand(4, 13, 16, 16)
    prior = made_up_prior(torch.full((4, 13, 2), 8.0), torch.zeros(4, 13, dtype=torch.bool), own, 2.0)
    torch.testing.assert_close(prior, own)


def test_training_moves_maps_between_crops_as_serving_does() -> None:
    """grid_sample through a theta equals coords.resample_maps, and both follow the coordinates."""
    old, new = FrameTransform(50, 40, 80, 128), FrameTransform(56, 37, 92, 128)
    maps = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    theta = torch.tensor(resampling_theta(old, new), dtype=torch.float32)[None]
    moved = sample_maps(torch.from_numpy(maps)[None], theta)[0].numpy()
    np.testing.assert_allclose(moved, resample_maps(maps, old, new), atol=0.02)
    point = np.array([[48.0, 41.0]])
    blob = blobs(frame_to_heatmap(point, old), 32, 2.0)
    expected = frame_to_heatmap(point, new)[0]
    y, x = divmod(int(sample_maps(torch.from_numpy(blob)[None], theta)[0, 0].argmax()), 32)
    assert np.abs(np.array([x, y]) - expected).max() <= 1.0


def test_unrolling_with_still_crops_is_the_networks_own_unrolling() -> None:
    """The identity move changes nothing."""
    torch.manual_seed(0)
    network = KIMNet(KIMNET_LITE).eval()
    clip = torch.rand(1, 3, 3, 64, 64) * 255
    with torch.inference_mode():
        encoded = encode_sequences(network, clip)
        still = torch.eye(2, 3).expand(1, 3, 2, 3)
        torch.testing.assert_close(
            unroll_moving(network, encoded, still), unrolled(network, clip), atol=1e-4, rtol=1e-3
        )


@pytest.mark.parametrize(("initialiser", "named"), [("head", "first"), ("zeros", "estimate")])
def test_heatmaps_that_are_related_are_taught(initialiser: str, named: str) -> None:
    """Their head learns from every frame: as the head of frame 1, or by itself where another network reads that."""
    network = small_network(initialiser=initialiser, heatmap_relation=True).float().train()
    clip = random_clip(frames=3).float()
    places, labelled = torch.rand(2, 3, JOINTS, 2) * 8, torch.ones(2, 3, JOINTS, dtype=torch.bool)
    thetas = torch.eye(2, 3).expand(2, 3, 2, 3)
    losses = ClipLosses(network)((clip, places, labelled, thetas, torch.ones(2, 3)), 1.0)
    assert set(losses) == {"clip", "presence", named}
    losses[named].backward()
    head = network.initialiser if initialiser == "head" else network.estimate
    assert isinstance(head, torch.nn.Conv2d)
    assert head.weight.grad is not None
