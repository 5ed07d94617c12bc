"""Single pictures through both of the network's paths.

The t = 1 path learns plain pose estimation; the t > 1 path learns on the same features with a made-up prior, so that
the recurrence, too, learns from the pictures that have no clip.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from model.kimnet import KIMNet
from training.augment import augment_frame
from training.config import AugmentConfig
from training.datasets.person import Clip
from training.losses import heatmap_loss
from training.prior import gaussians, made_up_prior

Batch = tuple[Tensor, Tensor, Tensor]


class Pictures(Dataset[Batch]):
    """Augmented pictures: random stills and random frames of clips, from both pools equally often.

    Sample i is a function of the seed and of i alone. It is: image uint8 [3, S, S], joints in cells float32 [K, 2],
    labelled bool [K].
    """

    def __init__(self, pools: list[list[Clip]], size: int, config: AugmentConfig, seed: int) -> None:
        self.pools = [pool for pool in pools if pool]
        self.size, self.config, self.seed = size, config, seed

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        pool = self.pools[rng.integers(len(self.pools))]
        clip = pool[rng.integers(len(pool))]
        sample = augment_frame(clip, int(rng.integers(len(clip))), self.size, self.config, rng)
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
        return image, torch.from_numpy(sample.cells), torch.from_numpy(sample.labelled)


class PictureLosses(nn.Module):
    """Losses of a network over a batch of pictures; the module that training runs."""

    def __init__(self, network: KIMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, sigma: float) -> dict[str, Tensor]:
        images, cells, labelled = batch
        encoded = self.network.encode(images.to(memory_format=torch.channels_last))
        first = self.network.start(encoded.p).m
        prior = made_up_prior(cells, labelled, first.detach().float(), sigma)
        later = self.network.recur(encoded.q, encoded.k, encoded.g, prior).m
        targets = gaussians(cells, first.shape[-1], sigma)
        return {
            "first": heatmap_loss(first, targets, labelled),
            "later": heatmap_loss(later, targets, labelled),
        }
