"""A KIMNet small enough for exact comparisons: 5 joints, 6 feature channels, 8x8 maps, float64."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from model.config import KIMNetConfig
from model.kimnet import KIMNet
from model.skeletons import Skeleton

JOINTS, DIM, SIDE = 5, 6, 32
SKELETON = Skeleton("five", ("head", "left_hand", "right_hand", "left_foot", "right_foot"), ((0, 1), (0, 2)))
SMALL = KIMNetConfig("small", "efficientnet_lite0", "head", dim=DIM, input_size=SIDE, skeleton=SKELETON)


class PatchReader(nn.Module):
    """Stand-in for an encoder or initialiser: one convolution over 4x4 patches. Remembers which pictures it saw."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 4, 4)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        out: Tensor = self.conv(images / 255.0)
        return out


def small_network(seed: int = 0, **switches: Any) -> KIMNet:
    """A network in eval mode, float64; every weight and every norm's statistics are random."""
    torch.manual_seed(seed)
    config = replace(SMALL, **switches)
    separate = config.initialiser.startswith("resnet")
    with torch.device("meta"):  # the encoder that is thrown away costs nothing there
        network = KIMNet(replace(config, initialiser="zeros") if separate else config)
        network.config = config
        network.encoder = PatchReader(DIM)
        if separate:
            network.initialiser = PatchReader(JOINTS)
    network.to_empty(device="cpu")
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 2.0)
        elif value.is_floating_point():
            nn.init.normal_(value, std=0.4)
    return network.double().eval()


def unrolled(network: KIMNet, clip: Tensor) -> Tensor:
    """Heatmaps [B, T, K, h, w] of clips [B, T, 3, S, S] with a still crop: encoded at once, then recurred."""
    batch, frames = clip.shape[:2]
    first = torch.arange(batch * frames) % frames == 0
    encoded = network.encode(clip.flatten(0, 1), first)
    q, k, g, p, _ = (x.reshape(batch, frames, *x.shape[1:]) for x in encoded)
    maps = [network.start(p[:, 0])]
    for t in range(1, frames):
        maps.append(network.recur(q[:, t - 1], k[:, t], g[:, t], maps[-1].carry))
    return torch.stack([x.m for x in maps], dim=1)


def random_clip(batch: int = 2, frames: int = 5, seed: int = 1) -> Tensor:
    """Pictures [B, T, 3, S, S], 0..255, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, frames, 3, SIDE, SIDE, generator=generator, dtype=torch.float64) * 255
