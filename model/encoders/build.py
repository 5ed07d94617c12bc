"""From the names in a config to networks."""

from torch import Tensor, nn

from model.config import EncoderName
from model.encoders.efficientnet_lite import PYRAMID_CHANNELS, EfficientNetLite0, normalise
from model.encoders.pyramid import LightPyramid


class LiteEncoder(nn.Module):
    """EfficientNet-Lite0 and the light pyramid: pictures [B, 3, S, S] in 0..255 to features [B, D, S/4, S/4]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.pyramid = LightPyramid(PYRAMID_CHANNELS, dim=dim)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.pyramid(self.backbone(normalise(images)))
        return features


def build_encoder(name: EncoderName, dim: int) -> nn.Module:
    """The backbone F of that name, giving D = dim feature channels at stride 4."""
    if name == "efficientnet_lite0":
        return LiteEncoder(dim)
    raise ValueError(f"unknown encoder {name}")
