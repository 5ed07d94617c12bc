"""Stage 1: single pictures through both of the network's paths.

The t = 1 path learns plain pose estimation; the t > 1 path learns on the same features with a made-up prior.
Pictures grow in the course of the stage (progressive resizing), so that most steps are cheap and the last
ones exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model.kimnet import KIMNet
from training.augment import AugmentConfig, augment_frame
from training.datasets.person import Clip
from training.losses import heatmap_loss
from training.prior import gaussians, made_up_prior
from training.stage import Stage, StageConfig, batches_of, ticks

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the stage: until which share of it, input side in pixels, batch size, blob size in cells."""

    until: float
    size: int
    batch: int
    sigma: float


PHASES = (Phase(0.28, 128, 40, 1.3), Phase(0.78, 192, 32, 1.6), Phase(1.0, 256, 24, 2.0))


class Pictures(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless augmented pictures: half from still pictures, half random frames of clips.

    Yields image uint8 [3, S, S], joints in cells float32 [K, 2], labelled bool [K].
    """

    def __init__(self, stills: list[Clip], clips: list[Clip], size: int, config: AugmentConfig, seed: int) -> None:
        self.pools = (stills, clips)
        self.size, self.config, self.seed = size, config, seed

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        pools = [pool for pool in self.pools if pool]
        while True:
            pool = pools[rng.integers(len(pools))]
            clip = pool[rng.integers(len(pool))]
            sample = augment_frame(clip, int(rng.integers(len(clip))), self.size, self.config, rng)
            image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
            yield image, torch.from_numpy(sample.cells), torch.from_numpy(sample.labelled)


def train_single(
    network: KIMNet, stills: list[Clip], clips: list[Clip], config: StageConfig, out: Path, seed: int = 0
) -> Stage:
    """Run (or resume) the stage; the result is `stage.ema.network`."""
    stage = Stage(network, config, out)
    network.train()
    for phase in PHASES:
        if stage.fraction >= phase.until:
            continue
        pictures = Pictures(stills, clips, phase.size, AugmentConfig(), seed + stage.progress.steps)
        batches = batches_of(pictures, phase.batch, config)
        for began in ticks(stage):
            if stage.fraction >= phase.until:
                break
            _step(network, stage, next(batches), phase, began)
        del batches
    stage.save()
    return stage


def _step(network: KIMNet, stage: Stage, batch: Batch, phase: Phase, began: float) -> None:
    images, cells, labelled = batch
    targets = gaussians(cells, phase.size // 4, phase.sigma)
    with torch.autocast("cpu", torch.bfloat16):
        encoded = network.encode(images.to(memory_format=torch.channels_last))
        first = network.start(encoded.p).m
        prior = made_up_prior(cells, labelled, first.detach().float(), phase.sigma)
        later = network.recur(encoded.q, encoded.k, encoded.g, prior).m
    losses = {
        "first": heatmap_loss(first, targets, labelled),
        "later": heatmap_loss(later, targets, labelled),
    }
    stage.step(losses, len(images), began)
