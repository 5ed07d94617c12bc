"""Whole networks, encoder and all: the paper's own setting on a GPU, and Table III as a smoke test on a CPU core."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.baselines.kimnet import KIMNetRecurrence
from model.baselines.network import PoseNetwork, unroll
from model.baselines.recurrence import Features
from model.checkpoints import load_hrnet, load_simple_baseline
from model.config import KIMNetConfig
from model.encoders.hrnet import HRNet
from model.encoders.simple_baseline import SimpleBaseline
from model.engines.recurrence_engine import RecurrenceEngine
from model.tracker import Tracker
from model.values import Array
from training.config import RunConfig, StageConfig
from training.loop import checkpoint
from training.loop.trainer import Trainer
from training.losses.clips import sample_maps
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.paper.rows import Row
from training.paper.shared import LAST
from training.paper.train import split
from training.samples.pool import Pools
from training.samples.sequences import SequenceTensors

CHECKPOINTS: Mapping[str, str] = {
    "resnet50": "pose_resnet_50_256x256.pth.tar",
    "resnet101": "pose_resnet_101_256x256.pth.tar",
    "resnet152": "pose_resnet_152_256x256.pth.tar",
    "hrnet_w32": "pose_hrnet_w32_256x256.pth",
}
"""Official MPII checkpoints by encoder; for the others none was published, and they start from nothing."""


@dataclass(frozen=True, slots=True)
class WholeScale:
    """How whole networks are trained.

    Attributes:
        network: the paper's KIMNet, before a row's encoder and switches; run: its training.
        checkpoints: folder of the files of `CHECKPOINTS`; None starts from nothing.
        workers: processes that prepare batches.
    """

    network: KIMNetConfig
    run: RunConfig
    checkpoints: Path | None = None
    workers: int = 0

    def network_of(self, row: Row) -> KIMNetConfig:
        """The network of a row."""
        config = replace(self.network, name=row.key)
        if row.encoder is not None:
            dim = 32 if row.encoder == "hrnet_w32" else 256
            config = replace(config, encoder=row.encoder, dim=dim)
        return row.switches.apply(config)


class WholeLosses(nn.Module):
    """Eq. 11 over clips of T frames; the module that training runs."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: SequenceTensors, sigma: float) -> dict[str, Tensor]:
        images, cells, labelled, thetas, _ = batch
        clips, frames = images.shape[:2]
        fresh = torch.arange(clips * frames, device=images.device) % frames == 0
        flat = images.flatten(0, 1).to(memory_format=torch.channels_last)
        features = self.network.features(flat, fresh)
        parts = split(features, frames)
        maps = unroll(self.network.recurrence, parts, lambda before, t: sample_maps(before, thetas[:, t]))
        targets = gaussian_targets(cells, maps.shape[-1], sigma)
        losses = {"clip": heatmap_loss(maps, targets, labelled)}
        estimates = self._estimates(features.f)
        if estimates is not None:
            losses["estimate"] = heatmap_loss(estimates, targets.flatten(0, 1), labelled.flatten(0, 1))
        return losses

    def _estimates(self, f: Tensor) -> Tensor | None:
        """First estimates of all frames, where a relation of heatmaps has a head of its own (Table V, Heatmap)."""
        recurrence = self.network.recurrence
        if not isinstance(recurrence, KIMNetRecurrence) or not recurrence.head.config.heatmap_relation:
            return None
        head = recurrence.head
        return None if head.estimate is None else head.jre(head.estimate(f), True)


class WholeTrainer(Trainer):
    """Trains a PoseNetwork on clips."""

    def _losses(self, stage: StageConfig, network: nn.Module) -> nn.Module:
        if not isinstance(network, PoseNetwork):
            raise TypeError(f"expected a PoseNetwork, got {type(network).__name__}")
        return WholeLosses(network)


def new_network(scale: WholeScale, row: Row, seed: int) -> PoseNetwork:
    """A row's network as training finds it.

    Raises:
        OSError, CheckpointError: a checkpoint is missing, or of another network.
    """
    torch.manual_seed(seed)
    config = scale.network_of(row)
    network = PoseNetwork(config, row.method)
    if scale.checkpoints is not None:
        _load(network, scale.checkpoints)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _load(network: PoseNetwork, folder: Path) -> None:
    config, encoder, initialiser = network.config, network.encoder, network.initialiser
    if config.encoder in CHECKPOINTS:
        path = folder / CHECKPOINTS[config.encoder]
        if isinstance(encoder, HRNet):
            load_hrnet(encoder, path)
        elif isinstance(encoder, SimpleBaseline):
            load_simple_baseline(encoder, path)
    if isinstance(initialiser, SimpleBaseline) and config.initialiser in CHECKPOINTS:
        load_simple_baseline(initialiser, folder / CHECKPOINTS[config.initialiser], "mpii", config.skeleton)


def train(scale: WholeScale, row: Row, seed: int, fabric: Fabric, pools: Pools, out: Path) -> PoseNetwork:
    """Train a row, or go on; gives the trained network."""
    out.mkdir(parents=True, exist_ok=True)
    network = new_network(scale, row, seed)
    config = scale.run.model_copy(update={"seed": seed})
    WholeTrainer(fabric, config, out, workers=scale.workers).run(network, pools)
    network.load_state_dict(checkpoint.averaged(out / LAST))
    return network.eval().requires_grad_(False)


def tracker_of(network: PoseNetwork, device: str, digest: str) -> Tracker:
    """A tracker that reads with a whole network."""
    own = network.to(device)

    def read(picture: Array, fresh: bool) -> Features:
        images = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(device).float()
        return own.features(images, torch.tensor([fresh], device=device))

    return Tracker(RecurrenceEngine(network.config, read, own.recurrence, device), digest)
