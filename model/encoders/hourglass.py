"""Stacked hourglass (Newell et al. 2016) without its predictions: down to stride 64 and up again, twice."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURE_CHANNELS = 256
"""D of a KIMNet on this encoder."""

_STACKS, _DEPTH = 2, 4
_CHANNEL_MEAN, _CHANNEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Residual(nn.Module):
    """Norm, ReLU and convolution three times (1x1, 3x3, 1x1) round a shortcut: [B, C, h, w] to [B, outputs, h, w]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, half, 1),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, outputs, 1),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x) + self.shortcut(x)
        return out


class Hourglass(nn.Module):
    """Maps [B, 256, h, w] to the same shape; h and w are multiples of 2^depth."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        channels = FEATURE_CHANNELS
        self.beside, self.down, self.up = (Residual(channels, channels) for _ in range(3))
        self.inner: nn.Module = Hourglass(depth - 1) if depth > 1 else Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        out: Tensor = self.beside(x) + F.interpolate(low, scale_factor=2, mode="nearest")
        return out


class StackedHourglass(nn.Module):
    """Pictures [B, 3, S, S], RGB in 0..255, to features [B, 256, S/4, S/4]. S is a multiple of 64.

    Each hourglass reads what the one before it read and what it made of that. The paper does not say how many are
    stacked; there are two here. Predictions between them, which the original has, would need labels of their own.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_CHANNEL_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_CHANNEL_STD).reshape(1, 3, 1, 1), persistent=False)
        channels = FEATURE_CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), Residual(64, 128))
        self.widen = nn.Sequential(Residual(128, 128), Residual(128, channels))
        self.stacks = nn.ModuleList(Hourglass(_DEPTH) for _ in range(_STACKS))
        self.read = nn.ModuleList(_reader(channels) for _ in range(_STACKS))

    def forward(self, images: Tensor) -> Tensor:
        x = (images.to(self.mean.dtype) / 255.0 - self.mean) / self.std
        x = self.widen(F.max_pool2d(self.stem(x), 2))  # [B, 256, S/4, S/4]
        features: Tensor = x
        for stack, read in zip(self.stacks, self.read, strict=True):
            features = read(stack(x))
            x = x + features
        return features


def _reader(channels: int) -> nn.Sequential:
    return nn.Sequential(
        Residual(channels, channels), nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()
    )
