"""ResNet without its classifier (He et al. 2015), with the stride on the 3x3 convolution of a bottleneck.

Module names are those that torchvision and SimpleBaseline use, so that their weights load by key.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Depth:
    """What a ResNet of a given depth is made of: blocks in each of the four stages, and their kind."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


DEPTHS = {
    18: Depth((2, 2, 2, 2), bottleneck=False),
    34: Depth((3, 4, 6, 3), bottleneck=False),
    50: Depth((3, 4, 6, 3), bottleneck=True),
    101: Depth((3, 4, 23, 3), bottleneck=True),
    152: Depth((3, 8, 36, 3), bottleneck=True),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions round a shortcut: [B, C, H, W] to [B, width, H/stride, W/stride]."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions round a shortcut: [B, C, H, W] to [B, 4 width, H/stride, W/stride]."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Normalised pictures [B, 3, S, S] to features [B, channels, S/32, S/32], ReLU'd. S is a multiple of 32.

    Attributes:
        channels: of the result: 512 at depth 18 and 34, 2048 above.

    Raises:
        ValueError: the depth is not one of DEPTHS.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"ResNet depth: expected one of {sorted(DEPTHS)}, got {depth}")
        shape = DEPTHS[depth]
        block = Bottleneck if shape.bottleneck else BasicBlock
        self.channels = 512 * block.expansion
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        e, n = block.expansion, shape.blocks
        self.layer1 = _stage(block, 64, 64, n[0], stride=1)
        self.layer2 = _stage(block, 64 * e, 128, n[1], stride=2)
        self.layer3 = _stage(block, 128 * e, 256, n[2], stride=2)
        self.layer4 = _stage(block, 256 * e, 512, n[3], stride=2)
        _initialise(self)

    def extract(self, x: Tensor) -> Tensor:
        """The features; a subclass that adds a decoder calls this."""
        x = F.relu(self.bn1(self.conv1(x)))  # [B, 64, S/2, S/2]
        x = F.max_pool2d(x, 3, 2, 1)  # [B, 64, S/4, S/4]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.extract(x)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """1x1 projection and norm where the shape changes; None where the input is added as it is."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, count: int, stride: int
) -> nn.Sequential:
    outputs = width * block.expansion
    rest = [block(outputs, width, 1) for _ in range(count - 1)]
    return nn.Sequential(block(inputs, width, stride), *rest)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
