"""Losses over heatmaps."""

from torch import Tensor


def heatmap_loss(maps: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
    """Squared error (KIMNet eq. 11) summed over a map, averaged over the labelled joints.

    Summing over the map only scales eq. 11 by h*w. maps and targets [..., K, h, w], labelled [..., K].
    """
    error = (maps.float() - targets).square().sum(dim=(-2, -1))  # [..., K]
    weight = labelled.to(error.dtype)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)
