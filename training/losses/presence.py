"""The loss of the presence head."""

import torch.nn.functional as F
from torch import Tensor

_WEIGHT = 1.0
"""Against the heatmaps' losses, which are some 5 where an empty map has 12.6."""


def presence_loss(logits: Tensor, present: Tensor) -> Tensor:
    """Cross-entropy of logits and present, both of one shape."""
    return _WEIGHT * F.binary_cross_entropy_with_logits(logits.float(), present.float())
