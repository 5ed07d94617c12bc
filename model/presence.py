"""Whether there is a person at all in the crop: the joints' heatmaps guess one into every picture."""

import torch
from torch import Tensor, nn


class Presence(nn.Module):
    """Features [B, D, h, w] to a logit [B]: a linear reading of every channel's mean and largest value."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * dim, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)  # [B, 2 D]
        out: Tensor = self.linear(pooled)[:, 0]
        return out
