"""A start for the relation of frames: queries and keys that are already maps of the joints."""

import torch
from torch import Tensor, nn

from model.kimnet import KIMNet


@torch.no_grad()
def init_relation_from_head(network: KIMNet) -> None:
    """Let both projections of eq. 6 begin as the trained head of frame 1, scaled as the JRE's norm scales its maps.

    q_i and k_j are then maps of joints i and j, and their product (eq. 7) is how far the two overlap: W_r begins near
    the identity, and every joint is carried by its own map. From random projections it learnt to carry one and the
    same joint for all (docs/training.md).

    Raises:
        ValueError: the network has no head on its features, no norm at the end of its JRE, or no such projections.
    """
    if network.config.heatmap_relation:
        raise ValueError(f"{network.config.name}: heatmap_relation has no queries and keys to begin as the head")
    head, norm = network.initialiser, network.jre.start_norm or network.jre.norm
    if not isinstance(head, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise ValueError(f"{network.config.name}: the relation can start from a 1x1 head and a JRE with its norm only")
    scale = norm.weight / (_present(norm.running_var) + norm.eps).sqrt()
    for projection in (network.to_query, network.to_key):
        projection.conv.weight.copy_(head.weight * scale[:, None, None, None])
        _present(projection.conv.bias).copy_((_present(head.bias) - _present(norm.running_mean)) * scale + norm.bias)


def _present(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("a bias or running statistics are missing")
    return value
