"""Temporal consistency exploration (Li, Li, Wang & Xu, Pattern Recognition 103, 2020, 107258), our reading of it.

No code is public. What is kept of it: a window of five frames, whose features are aligned with the present frame's by
offsets that are learnt, in both directions, and trusted as far as the two directions agree. The window ends with the
present frame: a stream has no later ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.baselines.layers import conv_bn, spatial_conv, warp
from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig

WINDOW = 5
PAST = WINDOW - 1
REDUCED = 16


class TCE(Recurrence):
    """Keeps the reduced features of the four frames before, the oldest first."""

    memory_channels = PAST * REDUCED

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.reduce = conv_bn(config.dim, REDUCED)
        self.offset = nn.Sequential(
            spatial_conv(2 * REDUCED, REDUCED, 3, config.separable),
            nn.ReLU(),
            spatial_conv(REDUCED, 2, 3, config.separable),
        )
        self.join = nn.Sequential(
            spatial_conv(config.dim + REDUCED, config.dim, 3, config.separable), nn.BatchNorm2d(config.dim), nn.ReLU()
        )
        self.last = nn.Conv2d(config.dim, config.joints, 1)

    def first(self, features: Features) -> tuple[Tensor, State]:
        r = F.relu(self.reduce(features.f))
        return self._read(features, r, r.repeat(1, PAST, 1, 1))

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        r = F.relu(self.reduce(features.f))
        return self._read(features, r, state.memory.to(r.dtype))

    def _read(self, features: Features, r: Tensor, past: Tensor) -> tuple[Tensor, State]:
        batch, channels, h, w = r.shape
        before = past.reshape(batch * PAST, channels, h, w)
        now = r.repeat_interleave(PAST, dim=0)
        forth = self.offset(torch.cat([now, before], dim=1)).to(r.dtype)  # from a cell now to where it was
        back = self.offset(torch.cat([before, now], dim=1)).to(r.dtype)
        trust = consistency(forth, back).to(r.dtype).reshape(batch, PAST, 1, h, w)
        aligned = warp(before, forth).reshape(batch, PAST, channels, h, w)
        fused = (r + (trust * aligned).sum(dim=1)) / (1 + trust.sum(dim=1))
        m = self.last(self.join(torch.cat([features.f, fused.to(features.f.dtype)], dim=1)))
        return m, State(m, torch.cat([past[:, channels:], r], dim=1))


def consistency(forth: Tensor, back: Tensor) -> Tensor:
    """exp(-|there and back again|^2) [B, 1, h, w] of two offsets [B, 2, h, w]: 1 where they undo each other."""
    apart = forth + warp(back, forth)
    return torch.exp(-apart.square().sum(dim=1, keepdim=True))
