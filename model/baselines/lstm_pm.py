"""LSTM Pose Machines (Luo et al. 2018): a convolutional LSTM over features, last maps and a centre map.

The features are reduced to 32 channels, the hidden state has 48, as there. ConvNet3, which reads the hidden state, has
three 11x11 convolutions of 128 channels there; where the config is separable, one 5x5 of D channels and a 1x1 stand for
it, so that no method has a larger head than the others.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.baselines.layers import conv_bn, spatial_conv
from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig

REDUCED, HIDDEN = 32, 48
_CENTRE_SIGMA = 21 / 368
"""Size of the centre map's blob, share of the crop's side."""

_GATE_BIAS = (0.0, 1.4, 1.0, 0.2)
"""Biases that g, i, f and o begin with."""


class PoseReader(nn.Module):
    """ConvNet3: [B, C, h, w] to maps [B, K, h, w]."""

    def __init__(self, inputs: int, config: KIMNetConfig) -> None:
        super().__init__()
        width, kernel, depth = (config.dim, 5, 1) if config.separable else (128, 11, 3)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [spatial_conv(inputs, width, kernel, config.separable), nn.ReLU()]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, width, 1), nn.ReLU())
        self.last = nn.Conv2d(width, config.joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.layers(x))
        return out


class LSTMPM(Recurrence):
    """Keeps h and c, 48 channels each."""

    memory_channels = 2 * HIDDEN

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.reduce = conv_bn(config.dim, REDUCED)
        self.over_x = spatial_conv(REDUCED + config.joints + 1, 4 * HIDDEN, 3, config.separable, bias=False)
        self.over_h = spatial_conv(HIDDEN, 4 * HIDDEN, 3, config.separable, bias=False)
        self.bias = nn.Parameter(torch.tensor(_GATE_BIAS).repeat_interleave(HIDDEN)[None, :, None, None])
        self.read = PoseReader(HIDDEN, config)

    def first(self, features: Features) -> tuple[Tensor, State]:
        g, i, _, o = self._gates(self.over_x(self._seen(features, features.p)))
        return self._read(i.sigmoid() * g.tanh(), o)

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        h, c = state.memory.chunk(2, dim=1)
        g, i, f, o = self._gates(self.over_x(self._seen(features, state.m)) + self.over_h(h))
        return self._read(f.sigmoid() * c + i.sigmoid() * g.tanh(), o)

    def _seen(self, features: Features, maps: Tensor) -> Tensor:
        """x_t: reduced features, last maps, centre map [B, 32 + K + 1, h, w]."""
        feat = F.relu(self.reduce(features.f))
        return torch.cat([feat, maps.to(feat.dtype), centre_map(feat)], dim=1)

    def _gates(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x + self.bias).chunk(4, dim=1)

    def _read(self, c: Tensor, o: Tensor) -> tuple[Tensor, State]:
        h = o.sigmoid() * c.tanh()
        m = self.read(h)
        return m, State(m, torch.cat([h, c], dim=1))


def centre_map(like: Tensor) -> Tensor:
    """A blob in the middle of the crop, [B, 1, h, w]: who is meant, where there are several people."""
    batch, _, h, w = like.shape
    y, x = (torch.arange(n, device=like.device, dtype=torch.float64) - (n - 1) / 2 for n in (h, w))
    squared = (y[:, None] ** 2 + x[None, :] ** 2) / (_CENTRE_SIGMA * w) ** 2
    return torch.exp(-squared / 2).to(like.dtype).expand(batch, 1, h, w)
