"""Fusion of the prior with the current features, and the way back to K maps (KIMNet eq. 4).

Conv_g reads [m^p; f]. A convolution is linear, so Conv_g([m; f]) = W_m m + W_f f exactly: the half over f
depends on one frame only and is computed with the encoder (`project_features`), the half over m is the
recurrent part.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from model.config import FuseAct
from model.encoders.depthwise import DepthwiseConv


class HalfConv(nn.Module):
    """One half of Conv_g: a dense 3x3, or a depthwise 3x3 and a pointwise 1x1 where `separable`."""

    def __init__(self, inputs: int, dim: int, separable: bool, bias: bool) -> None:
        super().__init__()
        if separable:
            pointwise = nn.Conv2d(inputs, dim, 1, bias=bias)
            self.conv: nn.Module = nn.Sequential(DepthwiseConv(inputs, 3), pointwise)
        else:
            self.conv = nn.Conv2d(inputs, dim, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Fusion(nn.Module):
    """Prior [B, K, h, w] and features [B, D, h, w] to raw joint maps [B, K, h, w]."""

    def __init__(self, joints: int, dim: int, separable: bool = False, act: FuseAct = "bn_relu") -> None:
        super().__init__()
        self.over_features = HalfConv(dim, dim, separable, bias=True)
        self.over_prior = HalfConv(joints, dim, separable, bias=False)
        self.act = act
        self.norm = nn.BatchNorm2d(dim) if act == "bn_relu" else nn.Identity()
        self.fine = nn.Conv2d(dim, joints, 1)

    def project_features(self, features: Tensor) -> Tensor:
        """g [B, D, h, w]: the half of Conv_g that needs this frame only."""
        out: Tensor = self.over_features(features)
        return out

    def forward(self, prior: Tensor, g: Tensor) -> Tensor:
        coarse = self.norm(self.over_prior(prior) + g)  # [B, D, h, w]
        if self.act == "bn_relu":
            coarse = F.relu(coarse)
        out: Tensor = self.fine(coarse)
        return out
