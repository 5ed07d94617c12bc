"""Optimiser, learning rate by step, and what stays frozen."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from model.encoders.backbone import Backbone
from training.config import Optimizer, StageConfig


def build_optimizer(network: nn.Module, config: Optimizer) -> torch.optim.Optimizer:
    """Over the trainable weights; norms and biases have no weight decay. A group's `share` scales its rate."""
    groups = _groups(network, config)
    if config.name == "adam":
        return torch.optim.Adam(groups, lr=config.rate)
    return torch.optim.AdamW(groups, lr=config.rate)


def rate_at(step: int, steps: int, config: Optimizer) -> float:
    """Learning rate of a step of a stage that has `steps` of them."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return config.rate * warm
    return config.rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def set_training_mode(network: nn.Module, stage: StageConfig) -> None:
    """Train mode, but the frozen parts neither learn nor update their running statistics.

    What has a share of 0 of the rate is frozen, too: its gradient would count towards the clip norm.

    Raises:
        ValueError: the network's encoder has no such part.
    """
    network.train().requires_grad_(True)
    for part in _frozen_parts(network, stage.frozen):
        part.eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if _share(name, stage.optimizer) == 0:
            parameter.requires_grad_(False)


def _frozen_parts(network: nn.Module, frozen: str) -> Sequence[nn.Module]:
    if frozen == "nothing":
        return []
    backbone = getattr(getattr(network, "encoder", None), "backbone", None)
    if not isinstance(backbone, Backbone):
        raise ValueError(f"frozen: {_name(network)} has no part named {frozen}")
    return [backbone] if frozen == "backbone" else backbone.early_parts()


def _name(network: nn.Module) -> str:
    return str(getattr(getattr(network, "config", None), "name", type(network).__name__))


def _groups(network: nn.Module, config: Optimizer) -> list[dict[str, Any]]:
    """Backbone, relation and the rest, each once with weight decay and once (norms and biases) without."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decay = config.decay if parameter.ndim > 1 else 0.0
            groups.setdefault((_share(name, config), decay), []).append(parameter)
    return [
        {"params": parameters, "share": share, "weight_decay": decay} for (share, decay), parameters in groups.items()
    ]


def _share(name: str, config: Optimizer) -> float:
    if ".backbone." in name:
        return config.backbone_share
    return config.relation_share if name.startswith(("to_query.", "to_key.")) else 1.0
