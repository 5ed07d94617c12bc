"""`kinepose-train graphs`: OpenVINO graphs beside weights that have none, or that another OpenVINO made."""

import argparse
from pathlib import Path

from model import zoo
from model.cards import card_to_markdown
from model.config import CONFIGS
from model.publish import add_graphs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--model", choices=sorted(CONFIGS), required=True)
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: those of the package)")


def run(args: argparse.Namespace) -> None:
    """Write NAME.openvino.zip, and its digest into the card."""
    try:
        path = zoo.path_of(args.model, args.weights)
        card = add_graphs(path)
    except (zoo.UnknownModel, zoo.BadWeights) as error:
        raise SystemExit(f"kinepose-train graphs: {error}") from error
    path.with_suffix(".md").write_text(card_to_markdown(card))
    print(f"{zoo.graphs_path(path).name}: sha256 {zoo.graph_facts(path)['sha256']}, of weights {card.sha256}")
