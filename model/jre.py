"""Joint relation extractor (RPSTN): every joint's heatmap looks at all others, then is corrected by them."""

from typing import Literal

from torch import Tensor, nn

SoftmaxDim = Literal["last", "first"]
Layout = Literal["fixed", "rpstn"]

_BLOB_STD = 0.06
"""About the standard deviation of a target map: the last norm starts at the scale of its targets."""


class JRE(nn.Module):
    """Heatmaps [B, K, h, w] to corrected heatmaps of the same shape.

    S = x x^T over h*w, A = softmax(S), y = A G(x), out = BN(x + W(y)). The norm inside W starts at zero, so
    the module starts as the identity up to its last norm.

    Args:
        joints: K.
        softmax_dim: "last" makes rows of A sum to 1; "first" is what the RPSTN code does.
        layout: "rpstn" reproduces that code's view of [h*w, K] memory as [K, h, w], which scrambles pixels.
        bn_after: the BN over K after the sum.
    """

    def __init__(
        self,
        joints: int,
        softmax_dim: SoftmaxDim = "last",
        layout: Layout = "fixed",
        bn_after: bool = True,
    ) -> None:
        super().__init__()
        self.softmax_dim = -1 if softmax_dim == "last" else 1
        self.layout = layout
        self.g = nn.Conv2d(joints, joints, 1)
        inner = nn.BatchNorm2d(joints)
        self.w = nn.Sequential(nn.Conv2d(joints, joints, 1), inner)
        self.norm = nn.BatchNorm2d(joints) if bn_after else nn.Identity()
        nn.init.zeros_(inner.weight)
        nn.init.zeros_(inner.bias)
        if isinstance(self.norm, nn.BatchNorm2d):
            nn.init.constant_(self.norm.weight, _BLOB_STD)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)  # [B, K, hw]
        attention = (flat @ flat.transpose(1, 2)).softmax(dim=self.softmax_dim)  # [B, K, K]
        y = attention @ self.g(x).flatten(2)  # [B, K, hw]
        if self.layout == "rpstn":
            y = y.transpose(1, 2).contiguous()
        out: Tensor = self.norm(x + self.w(y.reshape(x.shape)))
        return out
