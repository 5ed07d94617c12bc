"""The two training stages on a handful of made-up pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import KIMNET_LITE
from model.coords import frame_to_heatmap, resample_maps
from model.heatmaps import gaussian_targets
from model.kimnet import Encoded, KIMNet
from model.values import FrameTransform
from tests.training import made_up
from training import single
from training.clips import ClipsConfig, sample_maps, train_clips, unroll_moving
from training.ema import EMA
from training.losses import heatmap_loss
from training.prior import gaussians, made_up_prior
from training.sequences import SequenceConfig, sampling_theta
from training.stage import Stage, StageConfig


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


def test_gaussians_are_the_targets_of_the_model() -> None:
    """Training's torch blobs equal the numpy ones."""
    cells = np.random.default_rng(0).random((3, 2)) * 16
    np.testing.assert_allclose(
        gaussians(torch.tensor(cells), 16, 2.0).numpy(), gaussian_targets(cells, 16, 2.0), atol=1e-6
    )


def test_unlabelled_joints_take_the_networks_own_prior() -> None:
    """A made-up blob for a joint without a label would be a lie."""
    own = torch.rand(4, 13, 16, 16)
    prior = made_up_prior(torch.full((4, 13, 2), 8.0), torch.zeros(4, 13, dtype=torch.bool), own, 2.0)
    torch.testing.assert_close(prior, own)


def test_training_moves_maps_between_crops_as_serving_does() -> None:
    """grid_sample through a theta equals coords.resample_maps, and both follow the coordinates."""
    old, new = FrameTransform(50, 40, 80, 128), FrameTransform(56, 37, 92, 128)
    maps = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    theta = torch.tensor(sampling_theta(old, new), dtype=torch.float32)[None]
    moved = sample_maps(torch.from_numpy(maps)[None], theta)[0].numpy()
    np.testing.assert_allclose(moved, resample_maps(maps, old, new), atol=0.02)
    point = np.array([[48.0, 41.0]])
    blob = gaussian_targets(frame_to_heatmap(point, old), 32, 2.0)
    expected = frame_to_heatmap(point, new)[0]
    y, x = divmod(int(sample_maps(torch.from_numpy(blob)[None], theta)[0, 0].argmax()), 32)
    assert np.abs(np.array([x, y]) - expected).max() <= 1.0


def test_unrolling_with_still_crops_is_the_networks_own_unrolling() -> None:
    """The identity move changes nothing."""
    torch.manual_seed(0)
    network = KIMNet(KIMNET_LITE).eval()
    clip = torch.rand(1, 3, 3, 64, 64) * 255
    with torch.inference_mode():
        encoded = Encoded(*(x.reshape(1, 3, *x.shape[1:]) for x in network.encode(clip.flatten(0, 1))))
        still = torch.eye(2, 3).expand(1, 3, 2, 3)
        torch.testing.assert_close(unroll_moving(network, encoded, still), network.unroll(clip), atol=1e-4, rtol=1e-3)


def test_average_of_constant_weights_is_those_weights() -> None:
    """The young average is not pulled towards zero."""
    layer = torch.nn.Linear(3, 3)
    average = EMA(layer)
    for _ in range(5):
        average.update(layer)
    torch.testing.assert_close(average.network.weight, layer.weight)


def _small_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "PHASES", (single.Phase(1.0, 64, 4, 1.3),))


def test_single_stage_runs_saves_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage of a second leaves a checkpoint whose weights differ from where it began."""
    _small_phases(monkeypatch)
    network = KIMNet(KIMNET_LITE)
    before = network.fusion.fine.weight.detach().clone()
    config = StageConfig(minutes=1 / 60, rate=1e-3, warmup=1, workers=0)
    stage = single.train_single(network, [made_up.still(i) for i in range(4)], [made_up.moving(6)], config, tmp_path)
    assert stage.progress.steps >= 1
    assert (tmp_path / "last.pt").exists()
    assert not torch.equal(before, network.fusion.fine.weight)


def test_clip_stage_leaves_the_backbone_alone(tmp_path: Path) -> None:
    """Weights and running statistics of the backbone stay; the fusion learns."""
    network = KIMNet(KIMNET_LITE)
    backbone = {k: v.clone() for k, v in network.encoder.backbone.state_dict().items()}  # type: ignore[union-attr]
    before = network.fusion.fine.weight.detach().clone()
    detail = ClipsConfig(batch=2, sequence=SequenceConfig(frames=3, size=64))
    config = StageConfig(minutes=1 / 60, rate=1e-3, warmup=1, workers=0)
    train_clips(network, [made_up.still()], [made_up.moving(6)], config, tmp_path, detail)
    assert not torch.equal(before, network.fusion.fine.weight)
    for key, value in network.encoder.backbone.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(value, backbone[key]), key


def test_a_stage_resumes_where_it_was_cut_off(tmp_path: Path) -> None:
    """Weights, average, optimiser and time spent come back."""
    torch.manual_seed(0)
    config = StageConfig(minutes=1, rate=1e-2, warmup=1)
    first = Stage(torch.nn.Linear(2, 1), config, tmp_path)
    for _ in range(3):
        first.step({"loss": first.network(torch.ones(4, 2)).square().mean()}, 4, began=0.0)
    first.progress.seconds = 12.5
    first.save()
    second = Stage(torch.nn.Linear(2, 1), config, tmp_path)
    assert (second.progress.steps, second.progress.seconds) == (3, 12.5)
    torch.testing.assert_close(second.network.weight, first.network.weight)
    torch.testing.assert_close(second.ema.network.weight, first.ema.network.weight)
    assert second.optimizer.state_dict()["state"].keys() == first.optimizer.state_dict()["state"].keys()


def test_a_loss_that_is_not_finite_stops_the_stage(tmp_path: Path) -> None:
    """Training does not go on with broken weights, and the weights are as before the step."""
    layer = torch.nn.Linear(2, 1)
    stage = Stage(layer, StageConfig(minutes=1, rate=1e-2), tmp_path)
    before = layer.weight.detach().clone()
    with pytest.raises(FloatingPointError, match="step 0"):
        stage.step({"loss": layer(torch.full((1, 2), torch.inf)).sum()}, 1, began=0.0)
    assert torch.equal(before, layer.weight)


def test_the_log_has_a_row_every_twenty_steps(tmp_path: Path) -> None:
    """Each row is JSON with progress and the mean of each loss."""
    stage = Stage(torch.nn.Linear(2, 1), StageConfig(minutes=100, rate=1e-3), tmp_path)
    for _ in range(20):
        stage.step({"loss": stage.network(torch.ones(1, 2)).square().sum()}, 1, began=0.0)
    [row] = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert row["steps"] == 20
    assert row["loss"] >= 0
