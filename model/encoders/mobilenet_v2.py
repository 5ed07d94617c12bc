"""MobileNetV2 without its classifier (Sandler et al. 2018), with batch norms folded into biases.

Module names are our own; `training.starts.movenet` fills them from MoveNet's published weights. Folded norms mean that
the network trains at a low rate only, and that there are no running statistics to keep.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.backbone import Backbone
from model.encoders.depthwise import DepthwiseConv, same_pad

_STAGES = (  # expansion, channels at width 1, repeats, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM, _LAST = 32, 1280
_TAPS = (2, 5, 9)
"""Blocks whose output ends stride 4, 8 and (as MoveNet reads it) 16; stride 32 is the last convolution."""

_EARLY_BLOCKS = 3
"""Blocks up to stride 4."""


class Stem(nn.Conv2d):
    """The first 3x3 convolution, stride 2, SAME padding: [B, 3, S, S] to [B, C, S/2, S/2]."""

    def __init__(self, outputs: int) -> None:
        super().__init__(3, outputs, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(same_pad(x, 3, 2), self.weight, self.bias, self.stride)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1; added to its input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.keeps_shape = stride == 1 and inputs == outputs
        self.expand = nn.Conv2d(inputs, hidden, 1) if expansion != 1 else None
        self.depthwise = DepthwiseConv(hidden, 3, stride, same=stride > 1, bias=True)
        self.project = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.keeps_shape else y


class MobileNetV2(Backbone):
    """Pictures [B, 3, S, S], normalised by x / 127.5 - 1, to features at strides 4, 8, 16, 32.

    S must be a multiple of 32.

    Args:
        width: multiplier of all channels but the last convolution's.

    Attributes:
        channels: of the four maps.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        inputs = scaled(_STEM, width)
        self.stem = Stem(inputs)
        blocks, outputs = [], []
        for expansion, channels, repeats, stride in _STAGES:
            for repeat in range(repeats):
                outputs.append(scaled(channels, width))
                blocks.append(InvertedResidual(inputs, outputs[-1], stride if repeat == 0 else 1, expansion))
                inputs = outputs[-1]
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(inputs, _LAST, 1)
        self.channels = (*(outputs[block] for block in _TAPS), _LAST)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(self.stem(x))  # [B, C, S/2, S/2]
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return (*taps, F.relu6(self.last(x)))

    def early_parts(self) -> Sequence[nn.Module]:
        return [self.stem, *self.blocks[:_EARLY_BLOCKS]]


def scaled(channels: int, width: float) -> int:
    """Channels at that width: the nearest multiple of 8, but not below nine tenths of the exact number."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded
