"""Made-up priors: what the previous frame might have left behind, for pictures that have no previous frame.

The single-frame stage trains the recurrent path too. Each picture gets a prior drawn from its own labels:
blobs that are shifted, wandered, faded, missing or left/right swapped, so that the network learns to use a
prior and to overrule it.
"""

import torch
from torch import Tensor

from model.skeletons import Skeleton
from training.datasets.person import SKELETON
from training.losses.heatmap import gaussian_targets


def made_up_prior(cells: Tensor, labelled: Tensor, own: Tensor, sigma: float, skeleton: Skeleton = SKELETON) -> Tensor:
    """Prior maps [B, K, h, w].

    Args:
        cells: joints in heatmap cells [B, K, 2].
        labelled: [B, K]; joints without a label take the network's own map.
        own: the network's maps of this picture [B, K, h, w], detached; two in five samples
            use them as they are.
        sigma: blob size, cells.
    """
    batch, joints, size = own.shape[0], own.shape[1], own.shape[-1]
    device = cells.device
    shift = torch.randn(batch, 1, 2, device=device) * size * 0.03
    wander = torch.randn(batch, joints, 2, device=device) * size * 0.025
    moved = cells + shift + wander
    swapped = torch.rand(batch, 1, 1, device=device) < 0.07
    moved = torch.where(swapped, moved[:, list(skeleton.mirrored())], moved)
    height = torch.rand(batch, joints, device=device) * 0.6 + 0.4
    height = height * (torch.rand(batch, joints, device=device) > 0.12)
    blobs = gaussian_targets(moved, size, sigma) * height[..., None, None]
    blobs = torch.where(labelled[..., None, None], blobs, own)
    keep_own = torch.rand(batch, 1, 1, 1, device=device) < 0.4
    return torch.where(keep_own, own, blobs)
