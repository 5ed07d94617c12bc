"""Heatmaps to learn, and the loss over them."""

import torch
from torch import Tensor


def gaussian_targets(cells: Tensor, size: int, sigma: float) -> Tensor:
    """Blobs float32 [..., size, size] with peak 1 at cells [..., 2] (x, y); no rounding to whole cells."""
    axis = torch.arange(size, device=cells.device, dtype=torch.float32)
    gx = torch.exp(-((axis - cells[..., 0:1]) ** 2) / (2 * sigma**2))
    gy = torch.exp(-((axis - cells[..., 1:2]) ** 2) / (2 * sigma**2))
    return gy[..., :, None] * gx[..., None, :]


def heatmap_loss(maps: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
    """Squared error (KIMNet eq. 11) summed over a map, averaged over the labelled joints.

    Summing over the map only scales eq. 11 by h*w. maps and targets [..., K, h, w], labelled [..., K].
    """
    error = (maps.float() - targets).square().sum(dim=(-2, -1))  # [..., K]
    weight = labelled.to(error.dtype)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)
