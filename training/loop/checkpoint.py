"""`last.pt`: all that a run needs to go on, and the averaged weights for whoever comes after it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


@dataclass
class Progress:
    """Where a run is: stage number, and steps of that stage that are done."""

    stage: int = 0
    step: int = 0


@dataclass
class TrainState:
    """Everything that changes while a stage runs."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel
    progress: Progress = field(default_factory=Progress)


def save(fabric: Fabric, state: TrainState, path: Path) -> None:
    """Write the checkpoint from the first process; a kill in the middle leaves the one before."""
    content = {
        "network": state.network.state_dict(),
        "average": state.average.module.state_dict(),
        "average_steps": int(state.average.n_averaged),
        "optimizer": state.optimizer.state_dict(),
        "progress": asdict(state.progress),
    }
    if fabric.is_global_zero:
        unfinished = path.with_suffix(".tmp")
        torch.save(content, unfinished)
        unfinished.replace(path)
    fabric.barrier()


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content on the CPU."""
    content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return content


def restore(state: TrainState, content: dict[str, Any]) -> None:
    """Put everything back as it was when the checkpoint was written."""
    state.network.load_state_dict(content["network"])
    state.average.module.load_state_dict(content["average"])
    state.average.n_averaged.fill_(content["average_steps"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.progress = Progress(**content["progress"])


def is_run(path: Path) -> bool:
    """Whether the file is a run's checkpoint, and not somebody else's weights."""
    return {"network", "average", "progress"} <= read(path).keys()


def averaged(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a run."""
    weights: dict[str, Tensor] = read(path)["average"]
    return weights


def mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of several sets of weights of one network; counters are those of the last."""
    return {
        key: torch.stack([state[key] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for key, value in states[-1].items()
    }
