"""Stage 2: clips of T frames through the recurrence, with the backbone as stage 1 left it.

Only what stands on the backbone is trained: the clips are few and alike, and steps cost a third.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.heatmaps import SIGMA
from model.kimnet import Encoded, KIMNet
from training.datasets.person import Clip
from training.losses import heatmap_loss
from training.prior import gaussians
from training.sequences import Sequence, SequenceConfig, Sequences
from training.stage import Stage, StageConfig, batches_of, ticks


@dataclass(frozen=True, slots=True)
class ClipsConfig:
    """Batch size in clips, and what a clip is."""

    batch: int = 8
    sequence: SequenceConfig = field(default_factory=SequenceConfig)


def train_clips(
    network: KIMNet,
    stills: list[Clip],
    clips: list[Clip],
    config: StageConfig,
    out: Path,
    detail: ClipsConfig | None = None,
    seed: int = 1,
) -> Stage:
    """Run (or resume) the stage; the result is `stage.ema.network`."""
    detail = detail or ClipsConfig()
    backbone = _backbone(network)
    backbone.requires_grad_(False)
    stage = Stage(network, config, out)
    sequences = Sequences(stills, clips, detail.sequence, seed + stage.progress.steps)
    batches = batches_of(sequences, detail.batch, config)
    network.train()
    backbone.eval()  # its running statistics stay
    for began in ticks(stage):
        _step(network, stage, next(batches), began)
    stage.save()
    return stage


def unroll_moving(network: KIMNet, encoded: Encoded, thetas: Tensor) -> Tensor:
    """Maps [B, T, K, h, w] of encoded frames [B, T, ...]; q and m are sampled into each next crop."""
    q, k, g, p = encoded
    maps = [network.start(p[:, 0])]
    for t in range(1, q.shape[1]):
        q_prev = sample_maps(q[:, t - 1], thetas[:, t])
        m_prev = sample_maps(maps[-1].carry, thetas[:, t])
        maps.append(network.recur(q_prev, k[:, t], g[:, t], m_prev))
    return torch.stack([x.m for x in maps], dim=1)


def sample_maps(maps: Tensor, theta: Tensor) -> Tensor:
    """Maps [B, K, h, w] read through affine maps [B, 2, 3]; 0 outside, as `coords.resample_maps` in serving."""
    grid = F.affine_grid(theta, list(maps.shape), align_corners=False)
    return F.grid_sample(maps.float(), grid, align_corners=False)


def _step(network: KIMNet, stage: Stage, batch: Sequence, began: float) -> None:
    images, cells, labelled, thetas = batch
    shape = images.shape[:2]
    with torch.autocast("cpu", torch.bfloat16):
        flat = images.flatten(0, 1).to(memory_format=torch.channels_last)
        encoded = Encoded(*(x.reshape(*shape, *x.shape[1:]) for x in network.encode(flat)))
        maps = unroll_moving(network, encoded, thetas)
    targets = gaussians(cells, maps.shape[-1], SIGMA)
    losses = {"clip": heatmap_loss(maps, targets, labelled)}
    stage.step(losses, int(shape.numel()), began)


def _backbone(network: KIMNet) -> nn.Module:
    backbone = network.encoder.backbone
    if not isinstance(backbone, nn.Module):
        raise TypeError(f"{network.config.name}: the encoder has no backbone to keep fixed")
    return backbone
