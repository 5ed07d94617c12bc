"""The training loop, on Lightning Fabric: one device or many, mixed precision, resumable to the same result."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from model.kimnet import KIMNet
from training.config import Phase, RunConfig, StageConfig
from training.loop import checkpoint
from training.loop.average import moving_average
from training.loop.checkpoint import Progress, TrainState
from training.loop.journal import Journal
from training.loop.loading import StepSampler, load
from training.loop.optimizer import build_optimizer, rate_at, set_rate, set_training_mode
from training.loop.relation import init_relation_from_head
from training.losses.clips import ClipLosses
from training.losses.pictures import PictureLosses
from training.samples.pictures import Pictures
from training.samples.pool import Pools
from training.samples.sequences import Sequences


@dataclass(frozen=True, slots=True)
class Trainer:
    """Runs the stages of a config, one after the other, in the folder `out`.

    Attributes:
        workers: processes that prepare batches; 0 prepares them in the training process itself.
        on_save: called in the first process with the place of every checkpoint that has been written.
    """

    fabric: Fabric
    config: RunConfig
    out: Path
    workers: int = 1
    on_save: Callable[[Progress], None] = lambda progress: None

    def run(self, network: nn.Module, pools: Pools) -> dict[str, Tensor]:
        """Train, or go on from `out/last.pt`; gives the averaged weights of the last stage."""
        last = self.out / "last.pt"
        found = checkpoint.read(last) if last.exists() else None
        first = Progress(**found["progress"]).stage if found else 0
        for number in range(first, len(self.config.stages)):
            average = self._run_stage(number, network, pools, found)
            network.load_state_dict(average)
            found = None
        return {key: value.cpu() for key, value in network.state_dict().items()}

    def _run_stage(
        self, number: int, network: nn.Module, pools: Pools, found: dict[str, Any] | None
    ) -> dict[str, Tensor]:
        """One stage from the network's present weights (or the checkpoint); gives its averaged weights."""
        stage = self.config.stages[number]
        if stage.init_relation_from_head and not found and isinstance(network, KIMNet):
            init_relation_from_head(network)
        self.fabric.to_device(network)
        set_training_mode(network, stage)
        losses = self._losses(stage, network)
        optimizer = build_optimizer(network, stage.optimizer)
        state = TrainState(network, optimizer, moving_average(network, self.config.average), Progress(number, 0))
        if found:
            checkpoint.restore(state, found)
        wrapped, wrapped_optimizer = self.fabric.setup(losses, optimizer)
        with self._journal(stage, state.progress.step) as journal:
            while state.progress.step < stage.steps:
                self._run_phase(stage, state, wrapped, wrapped_optimizer, pools, journal)
        self._save(state)
        return state.average.module.state_dict()

    def _run_phase(
        self, stage: StageConfig, state: TrainState, losses: Any, optimizer: Any, pools: Pools, journal: Journal | None
    ) -> None:
        """The steps up to the end of the phase that the run is in."""
        phase, end = stage.phase_at(state.progress.step)
        samples = self._samples(stage, phase, pools, state.progress.stage)
        sampler = StepSampler(state.progress.step, end, phase.batch, self.fabric.global_rank, self.fabric.world_size)
        pin = self.fabric.device.type == "cuda"
        for batch in load(samples, sampler, self.workers, pin):
            self._step(stage, phase, state, losses, optimizer, self.fabric.to_device(batch), journal)
            if state.progress.step % self.config.save_every == 0:
                self._save(state)

    def _step(
        self,
        stage: StageConfig,
        phase: Phase,
        state: TrainState,
        losses: Any,
        optimizer: Any,
        batch: Any,
        journal: Journal | None,
    ) -> None:
        """Forward, backward, clip, update, average, log.

        Raises:
            FloatingPointError: a loss or a gradient is not finite; the weights are those before the step.
        """
        step = state.progress.step
        torch.manual_seed(self._seed_of(state.progress))
        values: dict[str, Tensor] = losses(batch, phase.sigma)
        total = torch.stack(list(values.values())).sum()
        if not bool(torch.isfinite(total)):
            raise FloatingPointError(f"{stage.name}, step {step}: the loss is {float(total.detach())}")
        rate = rate_at(step, stage.steps, stage.optimizer)
        set_rate(optimizer, rate)
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            losses, optimizer, max_norm=stage.optimizer.clip or math.inf, error_if_nonfinite=False
        )
        if norm is not None and not bool(torch.isfinite(norm)) and not self._scales_gradients():
            raise FloatingPointError(f"{stage.name}, step {step}: the gradient's norm is {float(norm)}")
        optimizer.step()
        state.average.update_parameters(state.network)
        state.progress.step = step + 1
        if journal is not None:
            journal.record(step + 1, rate, values)

    def _save(self, state: TrainState) -> None:
        checkpoint.save(self.fabric, state, self.out / "last.pt")
        if self.fabric.is_global_zero:
            self.on_save(state.progress)

    def _journal(self, stage: StageConfig, step: int) -> AbstractContextManager[Journal | None]:
        """The first process keeps it; two would write over each other."""
        if not self.fabric.is_global_zero:
            return nullcontext()
        return Journal(self.out, stage.name, step, stage.steps, self.config.log_every)

    def _scales_gradients(self) -> bool:
        """Whether a scaler looks for the largest factor that float16 bears: it skips the steps that were too much."""
        return getattr(self.fabric.strategy.precision, "scaler", None) is not None

    def _seed_of(self, progress: Progress) -> int:
        """What is drawn on the device, too, depends on the step alone."""
        place = [self.config.seed, progress.stage, progress.step, self.fabric.global_rank]
        return int(np.random.SeedSequence(place).generate_state(1)[0])

    def _losses(self, stage: StageConfig, network: nn.Module) -> nn.Module:
        """The module that training runs. Another kind of network has its own."""
        if not isinstance(network, KIMNet):
            raise TypeError(f"expected a KIMNet, got {type(network).__name__}")
        return PictureLosses(network) if stage.kind == "pictures" else ClipLosses(network)

    def _samples(self, stage: StageConfig, phase: Phase, pools: Pools, number: int) -> Dataset[Any]:
        seed = self.config.seed + 1000 * number + phase.size
        if stage.kind == "pictures":
            return Pictures([*pools.stills, *pools.clips], phase.size, stage.augment, seed)
        return Sequences(pools.stills, pools.clips, phase.size, stage.sequence, stage.augment, seed)
