"""Light decoder: four backbone maps down to one feature map at stride 4."""

import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.depthwise import DepthwiseConv


class SeparableConv(nn.Module):
    """Depthwise kxk, pointwise 1x1, BN, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv(inputs, kernel)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.pointwise(self.depthwise(x))))


class Lateral(nn.Module):
    """1x1 projection with BN; the sum of two laterals is activated by the convolution that follows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out


class LightPyramid(nn.Module):
    """Backbone maps at strides 4, 8, 16, 32 to features [B, D, S/4, S/4], ReLU'd.

    Args:
        channels: of the four maps.
        wide: channels at strides 8 to 32.
        dim: D.
        beside: channels of one more map at stride 4 that is read beside the backbone's; 0 where there is none.
    """

    def __init__(self, channels: tuple[int, ...], wide: int = 128, dim: int = 64, beside: int = 0) -> None:
        super().__init__()
        c4, c8, c16, c32 = channels
        self.lateral32 = Lateral(c32, wide)
        self.lateral16 = Lateral(c16, wide)
        self.lateral8 = Lateral(c8, wide)
        self.lateral4 = Lateral(c4, dim)
        self.lateral_beside = Lateral(beside, dim) if beside else None
        self.smooth16 = SeparableConv(wide, wide, 5)
        self.smooth8 = SeparableConv(wide, wide, 5)
        self.narrow = Lateral(wide, dim)
        self.smooth4 = nn.Sequential(SeparableConv(dim, dim, 3), SeparableConv(dim, dim, 3))

    def forward(self, maps: tuple[Tensor, ...], beside: Tensor | None = None) -> Tensor:
        out: Tensor = self.smooth4(self.merge(maps, beside))
        return out

    def merge(self, maps: tuple[Tensor, ...], beside: Tensor | None = None) -> Tensor:
        """All maps joined at stride 4 [B, D, S/4, S/4], before the last two convolutions."""
        f4, f8, f16, f32 = maps
        x = self.smooth16(self.lateral16(f16) + double(self.lateral32(f32)))  # [B, wide, S/16, S/16]
        x = self.smooth8(self.lateral8(f8) + double(x))  # [B, wide, S/8, S/8]
        joined: Tensor = self.lateral4(f4) + double(self.narrow(x))  # [B, D, S/4, S/4]
        if self.lateral_beside is not None and beside is not None:
            joined = joined + self.lateral_beside(beside)
        return joined


def double(x: Tensor) -> Tensor:
    """Twice the size, bilinear with half-pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
