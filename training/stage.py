"""What both training stages share: schedule by time, optimiser, checkpoints, log."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from training.ema import EMA


@dataclass
class Progress:
    """How far a stage is. `seconds` counts training time only and survives a resume."""

    steps: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StageConfig:
    """Settings that both stages have.

    Attributes:
        minutes: the training time; the learning rate falls to zero by a cosine over it, whatever the
            machine's speed.
        rate: peak learning rate; encoder_rate: share of it that the backbone gets.
        warmup: steps of linear warm-up.
        decay: weight decay; clip: largest gradient norm.
        save_every: seconds between checkpoints.
        workers: processes that prepare batches; 0 prepares them in the training process itself.
    """

    minutes: float
    rate: float
    encoder_rate: float = 1.0
    warmup: int = 200
    decay: float = 0.02
    clip: float = 5.0
    save_every: float = 240.0
    workers: int = 1


@dataclass
class Stage:
    """A network in training, its optimiser and average, and where it writes `last.pt` and `log.jsonl`."""

    network: nn.Module
    config: StageConfig
    out: Path
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        self.optimizer = torch.optim.AdamW(_groups(self.network, self.config), weight_decay=self.config.decay)
        self.ema = EMA(self.network)
        self._saved = time.monotonic()
        self._sums: dict[str, float] = {}
        if (self.out / "last.pt").exists():
            self._resume()

    @property
    def fraction(self) -> float:
        """Share of the stage that is done, 0..1."""
        return min(1.0, self.progress.seconds / (self.config.minutes * 60))

    def step(self, losses: dict[str, Tensor], images: int, began: float) -> None:
        """Backward, clip, update, average, log.

        Raises:
            FloatingPointError: the loss is not finite; the checkpoint before it stands.
        """
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {self.progress.steps}: loss is {float(total.detach())}")
        self._set_rate()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        self.ema.update(self.network)
        self.progress.steps += 1
        self.progress.images += images
        self.progress.seconds += time.monotonic() - began
        self._log(losses)

    def save(self) -> None:
        """Write `last.pt`; a kill in the middle leaves the one before."""
        state = {
            "network": self.network.state_dict(),
            "average": self.ema.network.state_dict(),
            "average_steps": self.ema.steps,
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        torch.save(state, self.out / "last.tmp")
        (self.out / "last.tmp").replace(self.out / "last.pt")
        self._saved = time.monotonic()

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.out / "last.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.ema.network.load_state_dict(state["average"])
        self.ema.steps = state["average_steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])

    def _set_rate(self) -> None:
        warm = min(1.0, (self.progress.steps + 1) / self.config.warmup)
        factor = warm * 0.5 * (1 + math.cos(math.pi * self.fraction))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate * group["share"] * factor

    def _log(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        every = 20
        if self.progress.steps % every == 0:
            means = {name: round(total / every, 4) for name, total in self._sums.items()}
            row = {**asdict(self.progress), "fraction": round(self.fraction, 4), **means}
            with (self.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            self._sums = {}
        if time.monotonic() - self._saved > self.config.save_every:
            self.save()


def _groups(network: nn.Module, config: StageConfig) -> list[dict[str, Any]]:
    """Backbone and the rest, each once with weight decay and once (norms and biases) without."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((".backbone." in name, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "share": config.encoder_rate if backbone else 1.0,
            "weight_decay": config.decay if decays else 0.0,
        }
        for (backbone, decays), parameters in groups.items()
    ]


def batches_of(samples: IterableDataset[Any], size: int, config: StageConfig) -> Iterator[Any]:
    """Endless batches of `size` samples, prepared ahead by the workers."""
    ahead = 3 if config.workers else None
    return iter(DataLoader(samples, batch_size=size, num_workers=config.workers, prefetch_factor=ahead))


def ticks(stage: Stage) -> Iterator[float]:
    """Start times of steps until the stage's time is up."""
    while stage.fraction < 1.0:
        yield time.monotonic()
