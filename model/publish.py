"""Weights as they are served: safetensors, OpenVINO graphs and card beside one another. Needs torch."""

from pathlib import Path

from model import weights_file
from model.cards import ModelCard, Provenance, card_to_json
from model.engines.openvino_convert import convert_kimnet
from model.graph_file import write_graphs
from model.kimnet import KIMNet


def publish(network: KIMNet, path: Path, provenance: Provenance) -> ModelCard:
    """Write all three; see `weights_file.save`.

    Raises:
        ValueError: as `weights_file.save`.
        EngineError: OpenVINO cannot convert the network.
    """
    weights_file.save(network, path, provenance)
    return add_graphs(path)


def add_graphs(path: Path) -> ModelCard:
    """Write the graphs of weights that have their card, and name them in its file.

    Raises:
        BadWeights: as `weights_file.load`.
        EngineError: OpenVINO cannot convert the network.
    """
    # As a server would read it: in half precision, weights are not those that were trained.
    network, card = weights_file.load(path.stem, path.parent)
    facts = write_graphs(path, convert_kimnet(network))
    path.with_suffix(".json").write_text(card_to_json(card, facts), encoding="utf-8")
    return card
