"""What MoveNet SinglePose (Google 2021) sees before its last layer, and our wider pyramid on the same trunk.

MoveNet is a MobileNetV2 whose maps are joined by a pyramid of 24 channels, and four heads on it. Of the heads only
the one for joints is kept, up to its 96 hidden channels: our own pyramid reads them as one more map of stride 4, so
that what a network trained on many more people knows is there from the first step.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.backbone import Backbone
from model.encoders.depthwise import DepthwiseConv
from model.encoders.mobilenet_v2 import MobileNetV2
from model.encoders.pyramid import LightPyramid, double

WIDTHS = {"movenet_thunder": 1.75, "movenet_lightning": 1.0}
"""Width multiplier of each published network's trunk."""

_PYRAMID = (64, 32, 24, 24)
_HIDDEN = 96


class PlainSeparable(nn.Module):
    """Depthwise 3x3 without bias, pointwise 1x1, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv(inputs, 3)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.pointwise(self.depthwise(x)))


class MoveNetBody(Backbone):
    """MobileNetV2, MoveNet's pyramid and the hidden layer of its head for joints.

    Pictures [B, 3, S, S], RGB in 0..255, to the trunk's four maps and the hidden layer [B, 96, S/4, S/4].
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.trunk = MobileNetV2(width)
        c4, c8, c16, c32 = self.trunk.channels
        wide, middle, narrow, out = _PYRAMID
        self.lateral32 = nn.Conv2d(c32, wide, 1)
        self.lateral16 = nn.Conv2d(c16, wide, 1)
        self.lateral8 = nn.Conv2d(c8, middle, 1)
        self.lateral4 = nn.Conv2d(c4, narrow, 1)
        self.smooth16 = PlainSeparable(wide, middle)
        self.smooth8 = PlainSeparable(middle, narrow)
        self.smooth4 = PlainSeparable(narrow, out)
        self.hidden = PlainSeparable(out, _HIDDEN)

    def forward(self, images: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        maps = self.trunk(images.to(torch.float32) / 127.5 - 1.0)
        f4, f8, f16, f32 = maps
        x = self.smooth16(self.lateral16(f16) + double(self.lateral32(f32)))  # [B, 32, S/16, S/16]
        x = self.smooth8(self.lateral8(f8) + double(x))  # [B, 24, S/8, S/8]
        x = self.smooth4(self.lateral4(f4) + double(x))  # [B, 24, S/4, S/4]
        return maps, self.hidden(x)

    def early_parts(self) -> Sequence[nn.Module]:
        return self.trunk.early_parts()


class MoveNetEncoder(nn.Module):
    """Pictures [B, 3, S, S], RGB in 0..255, to features [B, D, S/4, S/4].

    Args:
        name: "movenet_thunder" or "movenet_lightning".
        dim: D.
    """

    def __init__(self, name: str, dim: int) -> None:
        super().__init__()
        self.backbone = MoveNetBody(WIDTHS[name])
        self.pyramid = LightPyramid(self.backbone.trunk.channels, dim=dim, beside=_HIDDEN)

    def forward(self, images: Tensor) -> Tensor:
        maps, hidden = self.backbone(images)
        features: Tensor = self.pyramid(maps, hidden)
        return features
