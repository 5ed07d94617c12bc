"""Single pictures through both of the network's paths.

The t = 1 path learns plain pose estimation; the t > 1 path learns on the same features with a made-up prior, so that
the recurrence, too, learns from the pictures that have no clip.
"""

import torch
from torch import Tensor, nn

from model.kimnet import KIMNet
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.losses.presence import presence_loss
from training.losses.prior import made_up_prior
from training.samples.pictures import PictureTensors


class PictureLosses(nn.Module):
    """Losses of a network over a batch of pictures; the module that training runs."""

    def __init__(self, network: KIMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: PictureTensors, sigma: float) -> dict[str, Tensor]:
        images, cells, labelled, present = batch
        encoded = self.network.encode(images.to(memory_format=torch.channels_last))
        first = self.network.start(encoded.p).m
        # Where nobody is, the prior is somebody else's: what was there a frame ago is to be let go.
        former = torch.where(present[:, None, None], cells, cells.roll(1, dims=0))
        prior = made_up_prior(former, labelled, first.detach().float(), sigma, self.network.config.skeleton)
        later = self.network.recur(encoded.q, encoded.k, encoded.g, prior).m
        targets = gaussian_targets(cells, first.shape[-1], sigma)
        return {
            "first": heatmap_loss(first, targets, labelled),
            "later": heatmap_loss(later, targets, labelled),
            "presence": presence_loss(encoded.presence, present),
        }
