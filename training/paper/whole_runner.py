"""Trains and evaluates whole networks, row by row. After a kill it goes on to the same result."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from model.config import KIMNET_R50
from model.skeletons import JHMDB_15
from training.config import AugmentConfig, Optimizer, Phase, RunConfig, SequenceConfig, Source, StageConfig, read_config
from training.datasets import catalog
from training.loop.machine import machine_name
from training.paper import results
from training.paper.reading import read_clips
from training.paper.results import Made
from training.paper.rows import Row
from training.paper.settings import PAPER_SCALE
from training.paper.whole import WholeScale, tracker_of, train
from training.samples.pool import Pool, Pools

PENN_FOLD = 0
"""Penn Action has one official division; its runs lie where those of a fold do."""

_SMOKE = Phase(steps=240, size=128, batch=4, sigma=1.0)


def gpu_scale(dataset: str, checkpoints: Path, workers: int) -> WholeScale:
    """The paper's own setting for "penn-action" or "sub-jhmdb-15", as `kimnet-r50-*.yaml` have it."""
    if dataset == "penn-action":
        return WholeScale(KIMNET_R50, read_config("kimnet-r50-penn"), checkpoints, workers)
    run = read_config("kimnet-r50-sub-jhmdb")
    clips = [source.model_copy(update={"dataset": dataset}) for source in run.clips]
    network = replace(KIMNET_R50, skeleton=JHMDB_15)
    return WholeScale(network, run.model_copy(update={"clips": clips}), checkpoints, workers)


def smoke_scale() -> WholeScale:
    """Table III on one core: 128 pixels, from nothing, 240 steps of four clips. It shows that the encoders run."""
    stage = StageConfig(
        name="smoke",
        kind="clips",
        optimizer=Optimizer(rate=1e-3, warmup=30),
        sequence=SequenceConfig(still_share=0, drift=0, scale_jitter=0),
        augment=AugmentConfig(scale=PAPER_SCALE, far_share=0, shift=0, turned=1, photometric=0, occlude=0),
        phases=[_SMOKE],
    )
    clips = [Source(dataset="sub-jhmdb-15", part="train1")]
    run = RunConfig(model="kimnet-r50", start="random", clips=clips, stages=[stage], average=0.98, save_every=20)
    return WholeScale(replace(KIMNET_R50, skeleton=JHMDB_15, input_size=_SMOKE.size), run)


@dataclass(frozen=True, slots=True)
class WholePaper:
    """Whole networks under way, on one data set.

    Attributes:
        scale: how they are trained; data: folder of the data sets.
        state: folder of the runs; say: told what is done.
    """

    scale: WholeScale
    fabric: Fabric
    data: Path
    state: Path
    say: Callable[[str], None] = print

    @property
    def dataset(self) -> str:
        """That is learnt from and measured on."""
        return self.scale.run.clips[0].dataset

    def run(self, rows: Sequence[Row], folds: Sequence[int], seeds: Sequence[int]) -> None:
        """All rows of a fold before the next fold, all folds before the next seed; Penn Action has one fold, 0."""
        for seed in seeds:
            for fold in folds:
                missing = [row for row in rows if not results.is_there(self.folder(row, fold, seed))]
                pools = self._pools(fold) if missing else Pools([], [])
                for row in missing:
                    self._row(row, fold, seed, pools)

    def folder(self, row: Row, fold: int, seed: int) -> Path:
        """Where a row's run of a fold and seed lies."""
        return self.state / self.dataset / row.key / f"fold{fold}-seed{seed}"

    def _part(self, name: str, fold: int) -> str:
        return name if fold == PENN_FOLD else f"{name}{fold}"

    def _pools(self, fold: int) -> Pools:
        people = list(catalog.read(self.data, self.dataset, self._part("train", fold)))
        return Pools([], [Pool(people)])

    def _row(self, row: Row, fold: int, seed: int, pools: Pools) -> None:
        folder, device = self.folder(row, fold, seed), self.fabric.device.type
        began = time.monotonic()
        network = train(self.scale, row, seed, self.fabric, pools, folder)
        trained = time.monotonic()
        # Clip by clip: all frames of Penn Action fit no memory.
        clips = catalog.read(self.data, self.dataset, self._part("test", fold))
        tracker = tracker_of(network, device, row.key)
        found = [result for clip in clips for result in read_clips(tracker, [clip])]
        ended = time.monotonic()
        phase = self.scale.run.stages[-1].phases[-1]
        made = Made(
            row=row.key,
            fold=fold,
            seed=seed,
            steps=self.scale.run.stages[-1].steps,
            batch=phase.batch,
            train_seconds=round(trained - began, 1),
            eval_seconds=round(ended - trained, 1),
            parameters=sum(p.numel() for p in network.parameters()),
            memory_channels=network.recurrence.memory_channels,
            machine=machine_name(torch.device(device)),
            skeleton=network.config.skeleton.name,
        )
        results.write(folder, made, found)
        self.say(f"{self.dataset} {row.title}: {trained - began:.0f} s, then {ended - trained:.0f} s of videos")
