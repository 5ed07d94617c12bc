"""Clips of T frames through the recurrence, under a crop that moves as in serving."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.kimnet import Encoded, KIMNet
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.losses.presence import presence_loss
from training.samples.sequences import SequenceTensors


class ClipLosses(nn.Module):
    """Losses of a network over a batch of sequences; the module that training runs.

    "clip" is eq. 11 over the recurrence. Where the initial maps are a head on every frame's features, "first" trains
    it on all T frames: the frame-by-frame reader has then seen as much as the recurrent one. Where they are not, and
    the relation is one of heatmaps, "estimate" teaches the head that these come from.
    """

    def __init__(self, network: KIMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: SequenceTensors, sigma: float) -> dict[str, Tensor]:
        images, cells, labelled, thetas, present = batch
        encoded = encode_sequences(self.network, images)
        maps = unroll_moving(self.network, encoded, thetas)
        targets = gaussian_targets(cells, maps.shape[-1], sigma)
        losses = {
            "clip": heatmap_loss(maps, targets, labelled),
            "presence": presence_loss(encoded.presence, present),
        }
        if self.network.config.initialiser == "head":
            first = self.network.start(encoded.p.flatten(0, 1)).m
            losses["first"] = heatmap_loss(first, targets.flatten(0, 1), labelled.flatten(0, 1))
        elif self.network.config.heatmap_relation:
            losses["estimate"] = heatmap_loss(encoded.k, targets, labelled)
        return losses


def encode_sequences(network: KIMNet, images: Tensor) -> Encoded:
    """Pictures [B, T, 3, S, S] to what each frame contributes, [B, T, ...]; a separate initialiser reads t = 1 only."""
    batch, frames = images.shape[:2]
    fresh = torch.arange(batch * frames, device=images.device) % frames == 0
    flat = images.flatten(0, 1).to(memory_format=torch.channels_last)
    return Encoded(*(x.reshape(batch, frames, *x.shape[1:]) for x in network.encode(flat, fresh)))


def unroll_moving(network: KIMNet, encoded: Encoded, thetas: Tensor) -> Tensor:
    """Maps [B, T, K, h, w] of encoded frames [B, T, ...]; q and m are sampled into each next crop."""
    q, k, g, p, _ = encoded
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
