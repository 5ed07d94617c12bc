"""Key Frame Proposal Network (Zhang et al. 2020), our causal reading of it.

K-FPN looks at 40 frames at once, proposes which of them are worth reading, and fills in the poses between them by a
dictionary of poles (DYAN, Liu et al. 2018). A stream has no later frames. What is kept: how far a frame is a key frame
is proposed from its features; where it is none, its joints come from the dictionary, which continues the tracks of the
frames before by their sparse code (FISTA). Reading and continuation are mixed by the proposal. The proposal learns from
the maps' loss alone, without the price that K-FPN has on key frames.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig

PAST = 6
"""Frames whose joints are continued."""

_POLES = 10
_ITERATIONS = 20
_SPARSITY = 0.01
_SHARPNESS = 20.0
"""Of the softmax that reads a joint's place off its map."""

_SIGMA = 1 / 32
"""Size of a continued joint's blob, share of the map's side."""


class PoleDictionary(nn.Module):
    """Atoms rho^t cos(theta t), rho^t sin(theta t) and the same of -rho, and a constant; rho and theta are learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.linspace(0.85, 1.05, _POLES))
        self.theta = nn.Parameter(torch.linspace(0.05, math.pi / 2, _POLES))

    def forward(self) -> Tensor:
        """Atoms over PAST frames and the next one, [PAST + 1, 1 + 4 poles]; unit length over the PAST frames."""
        t = torch.arange(PAST + 1, device=self.rho.device, dtype=self.rho.dtype)[:, None]
        signs = torch.where(t % 2 == 0, 1.0, -1.0)
        growth = self.rho.abs() ** t
        cos, sin = growth * torch.cos(self.theta * t), growth * torch.sin(self.theta * t)
        atoms = torch.cat([torch.ones_like(t), cos, signs * cos, sin, signs * sin], dim=1)
        unit: Tensor = atoms / atoms[:PAST].norm(dim=0).clamp(min=1e-6)
        return unit

    def next(self, tracks: Tensor) -> Tensor:
        """Tracks [B, PAST, n], continued by one frame [B, n]."""
        atoms = self.forward()
        known = atoms[:PAST]
        gram = known.T @ known
        step = 1 / gram.detach().norm()
        threshold = _SPARSITY * step
        wanted = torch.einsum("tm,btn->bmn", known, tracks)
        code = before = torch.zeros_like(wanted)
        ahead = code
        momentum = 1.0
        for _ in range(_ITERATIONS):
            moved = ahead - step * (torch.einsum("ml,bln->bmn", gram, ahead) - wanted)
            before, code = code, F.relu(moved - threshold) - F.relu(-moved - threshold)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = code + (momentum - 1) / following * (code - before)
            momentum = following
        return torch.einsum("m,bmn->bn", atoms[PAST], code)


class KFPN(Recurrence):
    """Keeps the maps of the PAST frames before, the oldest first."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.memory_channels = PAST * config.joints
        self.read = nn.Conv2d(config.dim, config.joints, 1)
        self.propose = nn.Linear(config.dim, 1)
        self.poles = PoleDictionary()

    def first(self, features: Features) -> tuple[Tensor, State]:
        return features.p, State(features.p, features.p.repeat(1, PAST, 1, 1))

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        read = self.read(features.f)
        batch, joints, h, w = read.shape
        past = state.memory.reshape(batch, PAST, joints, h, w)
        key = self.propose(features.f.mean(dim=(2, 3))).sigmoid()[:, :, None, None]
        m = key * read + (1 - key) * self._continued(past).to(read.dtype)
        return m, State(m, torch.cat([state.memory[:, joints:], m.to(state.memory.dtype)], dim=1))

    def _continued(self, past: Tensor) -> Tensor:
        """Blobs [B, K, h, w] where the tracks of the maps [B, PAST, K, h, w] go next."""
        batch, _, joints, h, w = past.shape
        with torch.autocast(past.device.type, enabled=False):
            x = past if past.dtype == torch.float64 else past.float()
            places = self.poles.next(places_of(x).flatten(2)).reshape(batch, joints, 2)
        return blobs(places, h, w)


def places_of(maps: Tensor) -> Tensor:
    """Where the joints of maps [..., h, w] lie, [..., 2], x and y as shares of the map's side."""
    h, w = maps.shape[-2:]
    weights = (_SHARPNESS * maps).flatten(-2).softmax(dim=-1).reshape(maps.shape)
    x = (weights.sum(dim=-2) * torch.arange(w, device=maps.device, dtype=maps.dtype)).sum(dim=-1) / w
    y = (weights.sum(dim=-1) * torch.arange(h, device=maps.device, dtype=maps.dtype)).sum(dim=-1) / h
    return torch.stack([x, y], dim=-1)


def blobs(places: Tensor, h: int, w: int) -> Tensor:
    """Blobs of height 1 [B, K, h, w] at places [B, K, 2]."""
    x = torch.arange(w, device=places.device, dtype=places.dtype) / w
    y = torch.arange(h, device=places.device, dtype=places.dtype) / h
    across = torch.exp(-((x - places[..., 0:1]) ** 2) / (2 * _SIGMA**2))
    down = torch.exp(-((y - places[..., 1:2]) ** 2) / (2 * _SIGMA**2))
    return down[..., :, None] * across[..., None, :]
