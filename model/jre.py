"""Joint relation extractor (RPSTN): every joint's heatmap looks at all others, then is corrected by them."""

import math

from torch import Tensor, nn

from model.config import AttentionScale, Layout, SoftmaxDim

_BLOB_STD = 0.06
"""About the standard deviation of a target map: the last norm starts at the scale of its targets."""


class JRE(nn.Module):
    """Heatmaps [B, K, h, w] to corrected heatmaps of the same shape.

    S = x x^T over h*w, A = softmax(S / scale), y = A G(x), out = BN(x + W(y)). The norm inside W starts at zero, so
    the module starts as the identity up to its last norm.

    Args:
        joints: K.
        softmax_dim: "last" makes rows of A sum to 1; "first" is what the RPSTN code does.
        layout: "rpstn" reproduces that code's view of [h*w, K] memory as [K, h, w], which scrambles pixels.
        bn_after: the BN over K after the sum.
        scale: "none" as RPSTN, whose softmax saturates (one joint took 0.99994 of a row in kimnet-lite 0.2.0); "hw"
            divides by sqrt(h*w), as the relation of frames does (KIMNet eq. 8).
        own_start_norm: a last norm of its own for t = 1, whose maps have other statistics than later ones.
    """

    def __init__(
        self,
        joints: int,
        softmax_dim: SoftmaxDim = "last",
        layout: Layout = "fixed",
        bn_after: bool = True,
        scale: AttentionScale = "none",
        own_start_norm: bool = False,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.softmax_dim = -1 if softmax_dim == "last" else 1
        self.layout = layout
        self.g = nn.Conv2d(joints, joints, 1)
        inner = nn.BatchNorm2d(joints)
        self.w = nn.Sequential(nn.Conv2d(joints, joints, 1), inner)
        self.norm: nn.Module = last_norm(joints) if bn_after else nn.Identity()
        self.start_norm = (last_norm(joints) if bn_after else nn.Identity()) if own_start_norm else None
        nn.init.zeros_(inner.weight)
        nn.init.zeros_(inner.bias)

    def forward(self, x: Tensor, start: bool = False) -> Tensor:
        """Corrected maps; `start` at t = 1."""
        flat = x.flatten(2)  # [B, K, hw]
        scale = math.sqrt(flat.shape[2]) if self.scale == "hw" else 1.0
        attention = (flat @ flat.transpose(1, 2) / scale).softmax(dim=self.softmax_dim)  # [B, K, K]
        y = attention @ self.g(x).flatten(2)  # [B, K, hw]
        if self.layout == "rpstn":
            y = y.transpose(1, 2).contiguous()
        norm = self.start_norm if start and self.start_norm is not None else self.norm
        out: Tensor = norm(x + self.w(y.reshape(x.shape)))
        return out


def last_norm(joints: int) -> nn.BatchNorm2d:
    """A norm that ends in maps: begins at the scale of its targets."""
    norm = nn.BatchNorm2d(joints)
    nn.init.constant_(norm.weight, _BLOB_STD)
    return norm
