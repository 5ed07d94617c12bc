"""Model cards: what a set of weights is, where it came from, how well it does; as JSON and as Markdown."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kinepose_client.cards import ModelCard, Provenance

__all__ = ["ModelCard", "Provenance", "card_from_json", "card_to_json", "card_to_markdown", "graphs_from_json"]


_GRAPHS = "graphs"
"""Member of the `.json` file that is none of the card: what holds for the OpenVINO graphs beside the weights."""


def card_to_json(card: ModelCard, graphs: Mapping[str, str] | None = None) -> str:
    """The text of the `.json` file beside the weights, without the digest: that is taken from the weights.

    Args:
        graphs: what `graphs_from_json` reads back.
    """
    fields = asdict(card) | ({_GRAPHS: dict(graphs)} if graphs else {})
    del fields["sha256"]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def card_from_json(text: str, sha256: str) -> ModelCard:
    """The card of a weights file with this digest.

    Raises:
        ValueError: the text is no JSON object, or a field is missing, unknown or of another type.
    """
    fields = _members(text)
    fields.pop(_GRAPHS, None)
    _check_fields(fields)
    return ModelCard(**fields, sha256=sha256)


def graphs_from_json(text: str) -> dict[str, str]:
    """What the `.json` file says of the OpenVINO graphs beside the weights (`model.graph_file`).

    The `openvino` that made them, their `sha256` and the `weights_sha256` that they belong to; empty without any.

    Raises:
        ValueError: the text is no JSON object, or what it says of them is no object of texts.
    """
    graphs = _members(text).get(_GRAPHS, {})
    if not isinstance(graphs, dict) or not all(isinstance(value, str) for value in graphs.values()):
        raise ValueError(f"{_GRAPHS}: expected an object of texts")
    return graphs


def _members(text: str) -> dict[str, Any]:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object, got {type(fields).__name__}")
    return fields


_FIELD_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "version": str,
    "licence": str,
    "data": str,
    "data_licences": dict,
    "split": str,
    "command": str,
    "pck": dict,
    "pck_per_joint": dict,
    "notes": str,
    "name": str,
    "skeleton": str,
    "input_size": int,
    "gflop": (int, float),
    "parameters": int,
}


def _check_fields(fields: Mapping[str, Any]) -> None:
    problems = [f"missing {name}" for name in _FIELD_TYPES if name not in fields]
    problems += [f"unknown {name}" for name in fields if name not in _FIELD_TYPES]
    problems += [
        f"{name} is {type(fields[name]).__name__}"
        for name, kind in _FIELD_TYPES.items()
        if name in fields and not isinstance(fields[name], kind)
    ]
    if problems:
        raise ValueError(", ".join(problems))


def card_to_markdown(card: ModelCard) -> str:
    """The card for people: a fact sheet, what it measured, and a table a joint."""
    parts = [f"# {card.name} {card.version}", _facts(card)]
    if card.notes:
        parts.append(card.notes)
    if card.data_licences:
        parts += ["## Data", _table(("Data set", "Licence or terms"), card.data_licences.items())]
    if card.pck:
        rows = [(measure, f"{value:.1f}") for measure, value in card.pck.items()]
        parts += ["## Accuracy", _table(("Measure", "PCK, %"), rows)]
    if card.pck_per_joint:
        parts += ["### By joint, PCK in %", _joint_table(card.pck_per_joint)]
    if card.command:
        parts += ["## Made by", f"```\n{card.command}\n```"]
    return "\n\n".join(parts) + "\n"


def _facts(card: ModelCard) -> str:
    rows = [
        ("Skeleton", card.skeleton),
        ("Input", f"{card.input_size} x {card.input_size} pixels"),
        ("GFLOP a frame (2 FLOP a multiply-add)", f"{card.gflop:.2f}"),
        ("Parameters", f"{card.parameters / 1e6:.2f} M"),
        ("Licence", card.licence),
        ("Trained on", card.data),
        ("Split", card.split),
        ("SHA-256", f"`{card.sha256}`"),
    ]
    return _table(("", ""), [row for row in rows if row[1]])


def _joint_table(per_joint: Mapping[str, Mapping[str, float]]) -> str:
    joints = dict.fromkeys(joint for table in per_joint.values() for joint in table)
    rows = [
        (joint, *(f"{table[joint]:.1f}" if joint in table else "" for table in per_joint.values())) for joint in joints
    ]
    return _table(("Joint", *per_joint), rows)


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
