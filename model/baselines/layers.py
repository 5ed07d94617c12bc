"""Layers that the methods have in common."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoders.depthwise import DepthwiseConv


def spatial_conv(inputs: int, outputs: int, kernel: int, separable: bool, bias: bool = True) -> nn.Module:
    """A kxk convolution that keeps the size: dense, or depthwise kxk and pointwise 1x1 where `separable`."""
    if separable:
        return nn.Sequential(DepthwiseConv(inputs, kernel), nn.Conv2d(inputs, outputs, 1, bias=bias))
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


def conv_bn(inputs: int, outputs: int) -> nn.Sequential:
    """1x1 convolution and BN."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))


def warp(maps: Tensor, offset: Tensor) -> Tensor:
    """Maps [B, C, h, w] read at each cell plus offset [B, 2, h, w] (x, y in cells), bilinear; 0 outside."""
    h, w = maps.shape[-2:]
    y = torch.arange(h, device=offset.device, dtype=offset.dtype)[:, None]
    x = torch.arange(w, device=offset.device, dtype=offset.dtype)[None, :]
    grid_x = (2 * (x + offset[:, 0]) + 1) / w - 1
    grid_y = (2 * (y + offset[:, 1]) + 1) / h - 1
    grid = torch.stack([grid_x, grid_y], dim=-1)  # [B, h, w, 2]
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False)
