"""SimpleBaseline (Xiao et al. 2018): a ResNet and three deconvolutions up to stride 4.

Module names follow the official checkpoints, see model.checkpoints.
"""

import torch
from torch import Tensor, nn

from model.encoders.resnet import ResNet

FEATURE_CHANNELS = 256
"""Channels of each deconvolution, and so D of a KIMNet on this encoder."""

# The official checkpoints were trained on pictures as OpenCV reads them, blue first, yet normalised by
# ImageNet's statistics in their red-first order. We do the same: channels are swapped, the numbers are not.
_CHANNEL_MEAN = (0.485, 0.456, 0.406)
_CHANNEL_STD = (0.229, 0.224, 0.225)


class SimpleBaseline(ResNet):
    """Pictures [B, 3, S, S], RGB in 0..255, to features [B, 256, S/4, S/4] or to joint maps [B, K, S/4, S/4].

    Args:
        depth: 18, 34, 50, 101 or 152.
        joints: K of a final 1x1 layer that makes raw joint maps (the initialiser P); None gives the features
            after the last deconvolution's norm and ReLU (the encoder F).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, depth: int, joints: int | None = None) -> None:
        super().__init__(depth)
        # Not part of the state: the checkpoints do not have them.
        self.register_buffer("mean", _per_channel(_CHANNEL_MEAN), persistent=False)
        self.register_buffer("std", _per_channel(_CHANNEL_STD), persistent=False)
        self.deconv_layers = _deconvolutions(self.channels)
        self.final_layer = None if joints is None else _final_layer(joints)

    def normalise(self, images: Tensor) -> Tensor:
        """RGB [B, 3, S, S] in 0..255, uint8 or float, to what the official checkpoints expect."""
        bgr = images.to(self.mean.dtype).flip(1)
        normal: Tensor = (bgr / 255.0 - self.mean) / self.std
        return normal

    def forward(self, images: Tensor) -> Tensor:
        x = self.extract(self.normalise(images))  # [B, C, S/32, S/32]
        features: Tensor = self.deconv_layers(x)  # [B, 256, S/4, S/4]
        return features if self.final_layer is None else self.final_layer(features)


def _per_channel(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def _deconvolutions(inputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, FEATURE_CHANNELS, FEATURE_CHANNELS):
        deconv = nn.ConvTranspose2d(channels, FEATURE_CHANNELS, 4, 2, 1, bias=False)
        nn.init.normal_(deconv.weight, std=0.001)
        layers += [deconv, nn.BatchNorm2d(FEATURE_CHANNELS), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _final_layer(joints: int) -> nn.Conv2d:
    layer = nn.Conv2d(FEATURE_CHANNELS, joints, 1)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
