"""Single pictures: random stills and random frames of clips, augmented."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.config import AugmentConfig
from training.samples.augment import augment_frame
from training.samples.pool import Pool, draw

PictureTensors = tuple[Tensor, Tensor, Tensor, Tensor]


class Pictures(Dataset[PictureTensors]):
    """Augmented pictures: random stills and random frames of clips, from all pools by their weights.

    Sample i is a function of the seed and of i alone. It is: image uint8 [3, S, S], joints in cells float32 [K, 2],
    labelled bool [K], present bool [].
    """

    def __init__(self, pools: list[Pool], size: int, config: AugmentConfig, seed: int) -> None:
        self.pools, self.size, self.config, self.seed = pools, size, config, seed

    def __getitem__(self, index: int) -> PictureTensors:
        rng = np.random.default_rng([self.seed, index])
        clip = draw(self.pools, rng)
        sample = augment_frame(clip, int(rng.integers(len(clip))), self.size, self.config, rng)
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
        return image, torch.from_numpy(sample.cells), torch.from_numpy(sample.labelled), torch.tensor(sample.present)
