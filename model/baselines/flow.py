"""Optical flow: the last maps are moved to where their pixels went (Song et al. 2017, "Thin-Slicing", and its kin).

OpenCV's DIS flow takes the place of KMM; fusion and decoder are KIMNet's. Nothing is learnt about motion.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.baselines.layers import warp
from model.baselines.recurrence import GREY_CHANNELS, Features, Recurrence, State
from model.config import KIMNetConfig
from model.fusion import Fusion
from model.kimnet_head import build_jre
from model.values import Array


class OpticalFlow(Recurrence):
    """Keeps the picture's brightness."""

    memory_channels = GREY_CHANNELS

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.fusion = Fusion(config.joints, config.dim, config.separable, config.fuse_act)
        self.jre = build_jre(config)

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.jre(features.p, True)
        return m, State(m, features.grey)

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        prior = warp(state.m, flow_to_previous(features.grey, state.memory).to(state.m))
        m = self.jre(self.fusion(prior, self.fusion.project_features(features.f)))
        return m, State(m, features.grey)


@torch.no_grad()
def flow_to_previous(now: Tensor, before: Tensor) -> Tensor:
    """Where each cell was a frame ago, as an offset [B, 2, h, w] in cells; pictures as `grey_of` gives them."""
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    pairs = zip(_pictures(now), _pictures(before), strict=True)
    flows = np.stack([solver.calc(a, b, np.zeros((*a.shape, 2), np.float32)) for a, b in pairs])  # [B, 2h, 2w, 2]
    fine = torch.from_numpy(flows).permute(0, 3, 1, 2).to(now.device)
    return F.avg_pool2d(fine, 2) / 2


def _pictures(grey: Tensor) -> Array:
    """uint8 [B, 2h, 2w]."""
    whole = F.pixel_shuffle(grey.float(), 2)[:, 0]
    pictures: Array = whole.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return pictures
