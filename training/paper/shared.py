"""What all rows of a fold share: a frozen trunk, and a pyramid that was trained frame by frame on the fold."""

import copy
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.baselines.network import PoseNetwork
from model.baselines.recurrence import GREY_CHANNELS, Features, Recurrence, grey_of
from model.config import KIMNetConfig
from model.encoders.movenet import MoveNetEncoder
from model.values import Array
from training.config import RunConfig, StageConfig
from training.loop import checkpoint
from training.loop.trainer import Trainer
from training.losses.heatmap import gaussian_targets, heatmap_loss
from training.samples.pictures import PictureTensors
from training.samples.pool import Pools
from training.starts.movenet import load_movenet

LAST = "last.pt"


class FrameLosses(nn.Module):
    """Single pictures through a network that reads frame by frame."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: PictureTensors, sigma: float) -> dict[str, Tensor]:
        images, cells, labelled, _ = batch
        features = self.network.features(images.to(memory_format=torch.channels_last))
        maps, _ = self.network.recurrence.first(features)
        return {"maps": heatmap_loss(maps, gaussian_targets(cells, maps.shape[-1], sigma), labelled)}


class PyramidTrainer(Trainer):
    """Trains a frame-by-frame network on pictures."""

    def _losses(self, stage: StageConfig, network: nn.Module) -> nn.Module:
        if not isinstance(network, PoseNetwork):
            raise TypeError(f"expected a PoseNetwork, got {type(network).__name__}")
        return FrameLosses(network)


class Shared(nn.Module):
    """Pictures [B, 3, S, S], RGB in 0..255, to what is kept of them [B, D + 4, h, w]: joined maps, and brightness.

    Args:
        network: a trained frame-by-frame network on MoveNet's trunk.
    """

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        if not isinstance(network.encoder, MoveNetEncoder):
            raise TypeError("the shared features stand on MoveNet's trunk")
        self.config: KIMNetConfig = network.config
        self.network = network.eval().requires_grad_(False)
        self.encoder = network.encoder

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        maps, hidden = self.encoder.backbone(images)
        return torch.cat([self.encoder.pyramid.merge(maps, hidden), grey_of(images.float())], dim=1)

    def of_pictures(self, pictures: Array) -> Array:
        """uint8 [B, S, S, 3] to float16 [B, D + 4, h, w]."""
        images = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float()
        kept: Array = self(images.to(memory_format=torch.channels_last)).contiguous().to(torch.float16).numpy()
        return kept


class Tail(nn.Module):
    """What a row trains: the pyramid's last two convolutions, the head for frame 1, and the method.

    Args:
        shared: whose last layers and head it begins as.
        recurrence: the method.
    """

    def __init__(self, config: KIMNetConfig, shared: Shared, recurrence: Recurrence) -> None:
        super().__init__()
        self.config = config
        self.neck = copy.deepcopy(shared.encoder.pyramid.smooth4).requires_grad_(True)
        self.initialiser = copy.deepcopy(shared.network.initialiser).requires_grad_(True)
        self.recurrence = recurrence

    def features(self, kept: Tensor) -> Features:
        """Of what is kept of pictures [B, D + 4, h, w]."""
        joined = kept[:, :-GREY_CHANNELS].float().contiguous(memory_format=torch.channels_last)
        f = self.neck(joined)
        return Features(f, self.initialiser(f), kept[:, -GREY_CHANNELS:].float())


def train_pyramid(
    config: RunConfig, network: KIMNetConfig, fabric: Fabric, pools: Pools, movenet: Path, out: Path
) -> None:
    """The common pyramid of a fold, in `out/last.pt`; goes on where it was stopped."""
    torch.manual_seed(config.seed)
    fresh = PoseNetwork(network, "frame-by-frame")
    assert isinstance(fresh.encoder, MoveNetEncoder)
    load_movenet(fresh.encoder.backbone, movenet)
    PyramidTrainer(fabric, config, out, workers=0).run(fresh.to(memory_format=torch.channels_last), pools)  # type: ignore[call-overload]


def load_shared(network: KIMNetConfig, out: Path) -> Shared:
    """The shared features of a fold whose pyramid is trained."""
    trained = PoseNetwork(network, "frame-by-frame")
    trained.load_state_dict(checkpoint.averaged(out / LAST))
    return Shared(trained.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def is_finished(out: Path, config: RunConfig) -> bool:
    """Whether a run has made its last step."""
    last = out / LAST
    return last.exists() and checkpoint.read(last)["progress"]["step"] >= config.stages[-1].steps
