"""A network's numbers as safetensors: read into a KIMNet, and written with its card."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from model import cost
from model.cards import ModelCard, Provenance, card_to_json
from model.config import CONFIGS
from model.kimnet import KIMNet
from model.zoo import path_of, read_card, refuse

_RUNNING_STATISTICS = ("running_mean", "running_var")


def load(name: str, weights_dir: Path | None = None) -> tuple[KIMNet, ModelCard]:
    """The model of that name (`model.zoo`) in eval mode, float32 on the CPU, and its card.

    Raises:
        UnknownModel: its weights are not here.
        BadWeights: as for `card`, or the tensors do not fit the network.
    """
    path = path_of(name, weights_dir)
    blob = path.read_bytes()
    found = read_card(path, hashlib.sha256(blob).hexdigest())
    network = KIMNet(CONFIGS[name])
    network.load_state_dict(_fitting(path, blob, network.state_dict()))
    return network.eval(), found


def save(network: KIMNet, path: Path, provenance: Provenance) -> ModelCard:
    """Write weights (float16) to `path` and the card to the `.json` beside it; costs are counted here.

    Running statistics of batch norms stay float32, and so does any tensor with a number beyond float16.

    Raises:
        ValueError: the file is not named after the network's config, or a weight is not finite.
    """
    config = network.config
    if path.name != f"{config.name}.safetensors":
        raise ValueError(f"weights of {config.name} belong in {config.name}.safetensors, got {path.name}")
    tensors = {key: _stored(key, value) for key, value in network.state_dict().items()}
    metadata = {"config": config.name, "version": provenance.version, "skeleton": config.skeleton.name}
    path.parent.mkdir(parents=True, exist_ok=True)
    blob = _ordered(safetensors_bytes(tensors, metadata))
    path.write_bytes(blob)
    made = ModelCard(
        **asdict(provenance),
        name=config.name,
        skeleton=config.skeleton.name,
        input_size=config.input_size,
        gflop=round(cost.gflop(network), 4),
        parameters=cost.parameters(network),
        sha256=hashlib.sha256(blob).hexdigest(),
    )
    path.with_suffix(".json").write_text(card_to_json(made), encoding="utf-8")
    return made


def _fitting(path: Path, blob: bytes, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the file in the types of `wanted`; BadWeights lists all that does not fit."""
    found = parse_safetensors(blob)
    problems = [f"missing {key}" for key in wanted if key not in found]
    problems += [f"unexpected {key}" for key in found if key not in wanted]
    for key in wanted.keys() & found.keys():
        if found[key].shape != wanted[key].shape:
            problems.append(f"{key}: expected {list(wanted[key].shape)}, got {list(found[key].shape)}")
        elif not bool(torch.isfinite(found[key]).all()):
            problems.append(f"{key}: not finite")
    refuse(path, sorted(problems))
    return {key: value.to(wanted[key].dtype) for key, value in found.items()}


def _ordered(blob: bytes) -> bytes:
    """The file with its header sorted: safetensors writes metadata in an order that changes from run to run."""
    start = 8 + int(struct.unpack_from("<Q", blob)[0])
    header = json.dumps(json.loads(blob[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + blob[start:]


def _stored(key: str, value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point():
        return value
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{key}: has numbers that are not finite")
    # A small variance loses digits in float16 and scales its whole channel. Statistics are few: they stay.
    if key.endswith(_RUNNING_STATISTICS) or float(value.abs().max()) > torch.finfo(torch.float16).max:
        return value.to(torch.float32)
    return value.to(torch.float16)
