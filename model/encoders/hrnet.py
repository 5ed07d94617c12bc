"""HRNet-W32 (Sun et al. 2019) without its final layer: four resolutions side by side that exchange what they know.

Module names are those of the official pose checkpoints (`pose_hrnet_w32_256x256.pth`), so that they load by key.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.resnet import BasicBlock, Bottleneck

WIDTHS = (32, 64, 128, 256)
"""Channels of the four branches, at strides 4, 8, 16 and 32."""

FEATURE_CHANNELS = WIDTHS[0]
"""D of a KIMNet on this encoder."""

_MODULES = {2: 1, 3: 4, 4: 3}
"""Exchange modules of each stage; stage n has n branches."""

_BLOCKS = 4
_STEM, _FIRST = 64, 256
_CHANNEL_MEAN, _CHANNEL_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Exchange(nn.Module):
    """Four basic blocks in each branch, then every branch takes in all others.

    Args:
        branches: how many; outputs: how many of them are wanted, from the finest on.
    """

    def __init__(self, branches: int, outputs: int) -> None:
        super().__init__()
        widths = WIDTHS[:branches]
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(_BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(source, target) for source in range(branches)) for target in range(outputs)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [F.relu(_sum(layers, maps)) for layers in self.fuse_layers]


def _sum(layers: nn.Module, maps: Sequence[Tensor]) -> Tensor:
    assert isinstance(layers, nn.ModuleList)
    total: Tensor = torch.stack([layer(x) for layer, x in zip(layers, maps, strict=True)]).sum(dim=0)
    return total


def _path(source: int, target: int) -> nn.Module:
    """From one branch's map to another branch's size and width."""
    if source == target:
        return nn.Identity()
    inputs, outputs = WIDTHS[source], WIDTHS[target]
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), up)
    steps = target - source
    halvings = [_halving(inputs, inputs, active=True) for _ in range(steps - 1)]
    return nn.Sequential(*halvings, _halving(inputs, outputs, active=False))


def _halving(inputs: int, outputs: int, active: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU()) if active else nn.Sequential(*layers)


class HRNet(nn.Module):
    """Pictures [B, 3, S, S], RGB in 0..255, to features [B, 32, S/4, S/4]. S is a multiple of 32."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not part of the state: the checkpoints do not have them.
        self.register_buffer("mean", torch.tensor(_CHANNEL_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_CHANNEL_STD).reshape(1, 3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, _STEM, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.conv2 = nn.Conv2d(_STEM, _STEM, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_STEM)
        width = _FIRST // Bottleneck.expansion
        rest = [Bottleneck(_FIRST, width, 1) for _ in range(_BLOCKS - 1)]
        self.layer1 = nn.Sequential(Bottleneck(_STEM, width, 1), *rest)
        self.transition1 = nn.ModuleList([_same(_FIRST, WIDTHS[0]), nn.Sequential(_halving(_FIRST, WIDTHS[1], True))])
        self.stage2 = _stage(2)
        self.transition2 = _one_more(2)
        self.stage3 = _stage(3)
        self.transition3 = _one_more(3)
        self.stage4 = _stage(4)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, images: Tensor) -> Tensor:
        x = (images.to(self.mean.dtype) / 255.0 - self.mean) / self.std
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer1(F.relu(self.bn2(self.conv2(x))))  # [B, 256, S/4, S/4]
        maps = self.stage2([transition(x) for transition in self.transition1])
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        maps = self.stage4([*maps, self.transition3[-1](maps[-1])])
        finest: Tensor = maps[0]  # [B, 32, S/4, S/4]
        return finest


def _same(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def _one_more(branches: int) -> nn.ModuleList:
    """The branches as they are, and one of half the size of the last."""
    new = nn.Sequential(_halving(WIDTHS[branches - 1], WIDTHS[branches], active=True))
    return nn.ModuleList([*(nn.Identity() for _ in range(branches)), new])


def _stage(branches: int) -> nn.Sequential:
    """All exchange modules of a stage; the very last one gives the finest map alone."""
    count = _MODULES[branches]
    last = 1 if branches == len(WIDTHS) else branches
    return nn.Sequential(*(Exchange(branches, last if i == count - 1 else branches) for i in range(count)))
