"""A row's training over kept features."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from model.baselines.build import build_recurrence
from model.baselines.network import unroll
from model.baselines.recurrence import Features
from training.config import Phase, RunConfig, StageConfig
from training.loop import checkpoint
from training.loop.trainer import Trainer
from training.losses.clips import sample_maps
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.paper.cache import KeptSequence, KeptSequences, SequenceCache
from training.paper.rows import Row
from training.paper.settings import Scale, network_of
from training.paper.shared import LAST, Shared, Tail
from training.samples.pool import Pools


class TailLosses(nn.Module):
    """Eq. 11 over the T frames of a clip, the same for every method; the module that training runs."""

    def __init__(self, tail: Tail) -> None:
        super().__init__()
        self.tail = tail

    def forward(self, batch: KeptSequence, sigma: float) -> dict[str, Tensor]:
        kept, cells, labelled, thetas = batch
        frames = split(self.tail.features(kept.flatten(0, 1)), kept.shape[1])
        maps = unroll(self.tail.recurrence, frames, lambda before, t: sample_maps(before, thetas[:, t]))
        return {"clip": heatmap_loss(maps, gaussian_targets(cells, maps.shape[-1], sigma), labelled)}


def split(features: Features, frames: int) -> list[Features]:
    """Features of B clips of T frames, [B T, ...], frame by frame."""
    parts = [part.reshape(-1, frames, *part.shape[1:]) for part in features]
    return [Features(*(part[:, t] for part in parts)) for t in range(frames)]


@dataclass(frozen=True, slots=True)
class RowTrainer(Trainer):
    """Trains a tail on kept clips.

    Attributes:
        cache: of the fold's clips.
    """

    cache: SequenceCache | None = None

    def _losses(self, stage: StageConfig, network: nn.Module) -> nn.Module:
        if not isinstance(network, Tail):
            raise TypeError(f"expected a Tail, got {type(network).__name__}")
        return TailLosses(network)

    def _samples(self, stage: StageConfig, phase: Phase, pools: Pools, number: int) -> Dataset[Any]:
        assert self.cache is not None
        return KeptSequences(self.cache, self.config.seed)


def new_tail(scale: Scale, row: Row, shared: Shared, seed: int) -> Tail:
    """A row's network as training finds it; the shared part is the same for all seeds."""
    torch.manual_seed(seed)
    config = network_of(scale, row)
    tail: Tail = Tail(config, shared, build_recurrence(row.method, config))
    return tail.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def train_row(
    scale: Scale, row: Row, config: RunConfig, fabric: Fabric, shared: Shared, cache: SequenceCache, out: Path
) -> Tail:
    """Train a row, or go on; gives the trained network."""
    out.mkdir(parents=True, exist_ok=True)
    tail = new_tail(scale, row, shared, config.seed)
    RowTrainer(fabric, config, out, workers=0, cache=cache).run(tail, Pools([], []))
    return tail.eval().requires_grad_(False)


def load_row(scale: Scale, row: Row, shared: Shared, out: Path) -> Tail:
    """The averaged weights of a trained row."""
    tail = new_tail(scale, row, shared, 0)
    tail.load_state_dict(checkpoint.averaged(out / LAST))
    return tail.eval().requires_grad_(False)
