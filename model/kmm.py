"""Kinematics modelling module: carry heatmaps from frame t to t+1 by how features relate (KIMNet eqs. 6-10).

q comes from the previous frame and k from the current one, the reverse of usual attention. KMM only mixes
joint channels, it cannot move a blob: motion comes from the fusion with the current features.
"""

import math

import torch
from torch import Tensor, nn

from model.config import Activation, Norm, Scale

_SMALLEST_SUM = 1e-6


class Projection(nn.Module):
    """s(W * f): one of the two 1x1 convolutions of eq. 6, features [B, D, h, w] to [B, K, h, w]."""

    def __init__(self, dim: int, joints: int, act: Activation) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, joints, 1)
        self.act = _activation(act, joints)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.act(self.conv(features))
        return out


def _activation(act: Activation, joints: int) -> nn.Module:
    if act == "bn_relu":
        return nn.Sequential(nn.BatchNorm2d(joints), nn.ReLU())
    return {"relu": nn.ReLU(), "sigmoid": nn.Sigmoid(), "none": nn.Identity()}[act]


def relation(q_prev: Tensor, k: Tensor, scale: float, norm: Norm) -> Tensor:
    """W_r [B, K, K] (eqs. 8-9): rows are current joints, columns previous joints, each row sums to 1.

    `linear` is the literal eq. 9 and needs q and k that are not negative. A row whose sum is below 1e-6 is divided by
    that instead: joints that nothing relates to carry nothing on.
    """
    o = torch.einsum("bjn,bin->bji", k.flatten(2), q_prev.flatten(2)) / scale  # [B, K(cur), K(prev)]
    if norm == "softmax":
        return o.softmax(dim=-1)
    return o / o.sum(dim=-1, keepdim=True).clamp(min=_SMALLEST_SUM)


def carry(weights: Tensor, m_prev: Tensor) -> Tensor:
    """Prior m^p [B, K, h, w] = W_r M_t (eq. 10)."""
    mixed = torch.einsum("bji,bin->bjn", weights, m_prev.flatten(2))
    return mixed.reshape(m_prev.shape)


def scale_of(kind: Scale, cells: int, joints: int, dim: int) -> float:
    """sqrt(d) of eq. 8. d is h*w by default; the paper leaves it open."""
    return math.sqrt({"hw": cells, "joints": joints, "dim": dim, "none": 1}[kind])
