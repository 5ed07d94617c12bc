"""Dynamic kernels (DKD, Nie et al. 2019; JRPSP in RPSTN, Dang et al. 2022): what the last frame tells about how a joint
looks becomes a kernel that is laid over the next frame's features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.baselines.layers import conv_bn
from model.encoders.depthwise import DepthwiseConv


class KernelMaker(nn.Module):
    """Maps of the last frame [B, D, h, w] to a kernel for each channel [B, D, k, k].

    3x3 convolutions, the first three of them halved by pooling: 64 cells give kernels of 7 x 7, 48 cells of 5 x 5.

    Args:
        convolutions: 4 as in RPSTN's code; 3 as the sizes of the published models suggest for DKD.
    """

    def __init__(self, dim: int, separable: bool, convolutions: int) -> None:
        super().__init__()
        if convolutions not in (3, 4):
            raise ValueError(f"convolutions: expected 3 or 4, got {convolutions}")
        self.layers = nn.ModuleList(
            nn.Sequential(_conv3(dim, separable), nn.BatchNorm2d(dim)) for _ in range(convolutions)
        )

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            if number < 3:
                x = layer(x)
                x = x[:, :, 1:-1, 1:-1] if number == 0 else x  # the first one has no padding
                x = F.max_pool2d(F.relu(x), 2)
            else:
                x = layer(x)
        return x


def _conv3(dim: int, separable: bool) -> nn.Module:
    if separable:
        return nn.Sequential(DepthwiseConv(dim, 3), nn.Conv2d(dim, dim, 1, bias=False))
    return nn.Conv2d(dim, dim, 3, padding=1, bias=False)


def lay_over(features: Tensor, kernels: Tensor) -> Tensor:
    """Every channel of features [B, D, h, w] by its own sample's kernel [B, D, k, k]; k is odd."""
    batch, dim, h, w = features.shape
    size = kernels.shape[-1]
    with torch.autocast(features.device.type, enabled=False):  # no fast depthwise bfloat16 on a CPU
        x = features.float() if features.dtype != torch.float64 else features
        flat = F.conv2d(
            x.reshape(1, batch * dim, h, w),
            kernels.to(x.dtype).reshape(batch * dim, 1, size, size),
            padding=size // 2,
            groups=batch * dim,
        )
    return flat.reshape(batch, dim, h, w)


class KernelPropagation(nn.Module):
    """Last maps and features, and the present features, to raw joint maps [B, K, h, w].

    X = BN(1x1([m; f_prev])), S = kernels of X, U(BN(S laid over f)).

    Args:
        norm: the BN of X; None makes one of its own.
    """

    def __init__(
        self, joints: int, dim: int, separable: bool, convolutions: int, norm: nn.BatchNorm2d | None = None
    ) -> None:
        super().__init__()
        joined = conv_bn(joints + dim, dim)
        self.join = joined[0]
        self.norm = norm or joined[1]
        self.kernels = KernelMaker(dim, separable, convolutions)
        self.after = nn.BatchNorm2d(dim)
        self.u = nn.Conv2d(dim, joints, 1)

    def forward(self, m_prev: Tensor, f_prev: Tensor, f: Tensor) -> Tensor:
        x = self.norm(self.join(torch.cat([m_prev.to(f_prev.dtype), f_prev], dim=1)))
        out: Tensor = self.u(self.after(lay_over(f, self.kernels(x))))
        return out
