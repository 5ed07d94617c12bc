"""`kinepose-train export`: a run's averaged weights to safetensors and a model card."""

import argparse
from pathlib import Path

from model import zoo
from model.cards import card_to_markdown
from model.config import CONFIGS
from model.kimnet import KIMNet
from training import provenance
from training.loop import checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--run", dest="checkpoints", type=Path, action="append", required=True, help="last.pt; several are averaged"
    )
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--to", type=Path, required=True, help="folder, model/weights for the served model")
    parser.add_argument("--version", required=True)


def run(args: argparse.Namespace) -> None:
    """Averaged weights to the zoo's form, with a card that has no figures yet.

    Of several runs the mean is taken: stages that start from one another lie in one valley, and their mean tracks
    better than the last alone.
    """
    network = KIMNet(CONFIGS[args.model]).eval()
    network.load_state_dict(checkpoint.mean([checkpoint.averaged(path) for path in args.checkpoints]))
    args.to.mkdir(parents=True, exist_ok=True)
    card = zoo.save(network, args.to / f"{args.model}.safetensors", provenance.served(args.version))
    (args.to / f"{args.model}.md").write_text(card_to_markdown(card))
    print(f"{args.model} {card.version}: {card.parameters} parameters, sha256 {card.sha256}")
