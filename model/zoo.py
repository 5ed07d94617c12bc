"""Named models: a config, its weights as safetensors, and the model card beside them.

The weights of model NAME are `NAME.safetensors`, its card is `NAME.json` in the same folder. The package
brings a folder of its own (`model/weights`); a folder given by the caller is looked in first. Nothing here needs
torch: `model.weights_file` reads and writes the numbers.
"""

import hashlib
import json
import struct
from pathlib import Path

from model.cards import ModelCard, card_from_json, graphs_from_json
from model.config import CONFIGS

LONGEST_HEADER = 100_000_000
"""Bytes; safetensors takes no longer ones."""
BUNDLED = Path(__file__).parent / "weights"


class UnknownModel(LookupError):
    """No weights of that name are on this machine."""


class BadWeights(ValueError):
    """A weights file or its card is not what it should be; the message lists what does not fit."""


class BadGraphs(BadWeights):
    """The OpenVINO graphs beside weights are not those that the card names."""


class NoGraphs(BadWeights):
    """Weights have no OpenVINO graphs beside them, which are needed where torch is not installed."""


def names(weights_dir: Path | None = None) -> tuple[str, ...]:
    """Models whose weights are here, sorted: those in `weights_dir` and those that the package brings.

    Only names of `model.config.CONFIGS` count; any other file is no model of ours.
    """
    return tuple(sorted(name for name in CONFIGS if _find(name, weights_dir)))


def card(name: str, weights_dir: Path | None = None) -> ModelCard:
    """The card of a model.

    Raises:
        UnknownModel: its weights are not here.
        BadWeights: the file is broken, or its card is missing, broken or of other weights.
    """
    path = path_of(name, weights_dir)
    return read_card(path, hashlib.sha256(path.read_bytes()).hexdigest())


def read_card(path: Path, sha256: str) -> ModelCard:
    """The card beside weights of this digest. Raises BadWeights."""
    try:
        found = card_from_json(path.with_suffix(".json").read_text(encoding="utf-8"), sha256)
    except (OSError, ValueError) as error:
        raise BadWeights(f"{path.name}: no usable model card beside it: {error}") from error
    config = CONFIGS[path.stem]
    metadata = _metadata(path)
    facts = [
        ("config", metadata.get("config"), config.name),
        ("skeleton", metadata.get("skeleton"), config.skeleton.name),
        ("name in the card", found.name, config.name),
        ("skeleton in the card", found.skeleton, config.skeleton.name),
        ("version in the card", found.version, metadata.get("version")),
    ]
    refuse(path, [f"{what}: expected {want}, got {got}" for what, got, want in facts if got != want])
    return found


def graphs_path(weights: Path) -> Path:
    """Where the OpenVINO graphs of weights are, if there are any; see `model.graph_file`."""
    return weights.with_suffix(".openvino.zip")


def graph_facts(weights: Path) -> dict[str, str]:
    """What the card's file says of the graphs beside weights; empty where there are none. Raises BadWeights."""
    try:
        return graphs_from_json(weights.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadWeights(f"{weights.name}: no usable model card beside it: {error}") from error


def _find(name: str, weights_dir: Path | None) -> Path | None:
    folders = [BUNDLED] if weights_dir is None else [weights_dir, BUNDLED]
    paths = (folder / f"{name}.safetensors" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def path_of(name: str, weights_dir: Path | None) -> Path:
    """Where the weights of a model are. Raises UnknownModel."""
    # A name comes from a client: it is looked up among the configs before it becomes a part of a path.
    path = _find(name, weights_dir) if name in CONFIGS else None
    if path is None:
        here = ", ".join(names(weights_dir)) or "none"
        raise UnknownModel(f"no weights of model {name!r} are here; there are: {here}")
    return path


def _metadata(path: Path) -> dict[str, str]:
    """What stands in the file beside its tensors. Read by hand: safetensors' own reader loads numpy."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, LONGEST_HEADER)))
        metadata = header.pop("__metadata__", {})
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if 8 + length + end != path.stat().st_size:
            raise ValueError("it ends before its tensors do, or after them")
        return {str(name): str(value) for name, value in metadata.items()}
    except (struct.error, ValueError, AttributeError, LookupError, TypeError) as error:
        raise BadWeights(f"{path.name}: not a safetensors file: {error}") from error


def refuse(path: Path, problems: list[str]) -> None:
    """Raise BadWeights where there is a problem."""
    if problems:
        raise BadWeights(f"{path.name} does not fit {path.stem}:\n  " + "\n  ".join(problems))
