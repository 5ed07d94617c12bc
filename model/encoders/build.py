"""From the names in a config to networks. Each of them takes RGB in 0..255 and normalises it by itself."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn

from model.config import EncoderName, InitialiserName
from model.encoders import hourglass, hrnet
from model.encoders.efficientnet_lite import PYRAMID_CHANNELS, EfficientNetLite0, normalise
from model.encoders.movenet import WIDTHS, MoveNetEncoder
from model.encoders.pyramid import LightPyramid
from model.encoders.simple_baseline import FEATURE_CHANNELS, SimpleBaseline

_RESNET_DEPTH = {"resnet18": 18, "resnet34": 34, "resnet50": 50, "resnet101": 101, "resnet152": 152}

_WHOLE: Mapping[str, tuple[int, Callable[[], nn.Module]]] = {
    **{name: (FEATURE_CHANNELS, partial(SimpleBaseline, depth)) for name, depth in _RESNET_DEPTH.items()},
    "hourglass": (hourglass.FEATURE_CHANNELS, hourglass.StackedHourglass),
    "hrnet_w32": (hrnet.FEATURE_CHANNELS, hrnet.HRNet),
}
"""Encoders that give their own number of channels."""


class LiteEncoder(nn.Module):
    """EfficientNet-Lite0 and the light pyramid.

    Pictures [B, 3, S, S], RGB in 0..255, to features [B, D, S/4, S/4].
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.pyramid = LightPyramid(PYRAMID_CHANNELS, dim=dim)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.pyramid(self.backbone(normalise(images)))
        return features


def build_encoder(name: EncoderName, dim: int) -> nn.Module:
    """The backbone F of that name, giving D = dim feature channels at stride 4.

    Raises:
        ValueError: the name is unknown, or dim is not what that backbone gives (32 for HRNet, 256 for the others).
    """
    if name == "efficientnet_lite0":
        return LiteEncoder(dim)
    if name in WIDTHS:
        return MoveNetEncoder(name, dim)
    if name not in _WHOLE:
        raise ValueError(f"unknown encoder {name}")
    channels, build = _WHOLE[name]
    if dim != channels:
        raise ValueError(f"encoder {name}: expected dim {channels}, got {dim}")
    return build()


def build_initialiser(name: InitialiserName, joints: int) -> nn.Module:
    """The pose network P of that name: pictures to raw joint maps [B, K, S/4, S/4], no activation.

    Raises:
        ValueError: the name is not that of a whole network.
    """
    if name not in _RESNET_DEPTH:
        raise ValueError(f"unknown initialiser {name}")
    return SimpleBaseline(_RESNET_DEPTH[name], joints)
