"""What every row of a scale has in common; only what a row changes differs from one to the next."""

from dataclasses import dataclass, replace

from model.config import KIMNetConfig
from model.skeletons import JHMDB_15
from training.config import AugmentConfig, Optimizer, Phase, RunConfig, SequenceConfig, Source, StageConfig
from training.paper.rows import Row

PAPER_SCALE = (1 / 1.4, 1 / 0.8)
"""The crop's side over the exact one, for a person at the paper's scale of 0.8 to 1.4."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is computed, and on what.

    Attributes:
        network: of the paper's KIMNet at this scale, before a row's switches.
        pyramid_steps, pyramid_batch: of the frame-by-frame training that all rows of a fold start from.
        sequences: different augmented clips of a fold, whose features are kept.
        steps, batch, frames: optimiser steps of a row, clips a step, frames a clip.
        rate: peak of the cosine; sigma: size of the blobs, cells.
        save_every: steps between two checkpoints.
    """

    network: KIMNetConfig
    pyramid_steps: int
    pyramid_batch: int
    sequences: int
    steps: int
    batch: int
    frames: int
    rate: float
    sigma: float
    save_every: int = 100


CPU = Scale(
    network=KIMNetConfig(
        name="paper-cpu",
        encoder="movenet_thunder",
        initialiser="head",
        dim=64,
        input_size=192,
        skeleton=JHMDB_15,
        separable=True,
    ),
    pyramid_steps=480,
    pyramid_batch=32,
    sequences=3200,
    steps=800,
    batch=8,
    frames=5,
    rate=1.5e-3,
    sigma=1.5,
)
"""One core: MoveNet Thunder's trunk, frozen, at 192 pixels."""


def network_of(scale: Scale, row: Row) -> KIMNetConfig:
    """The network of a row."""
    return row.switches.apply(replace(scale.network, name=row.key))


def pyramid_run(scale: Scale, fold: int) -> RunConfig:
    """Single pictures, frame by frame: the pyramid that all rows of a fold have in common."""
    stage = StageConfig(
        name="pyramid",
        kind="pictures",
        frozen="backbone",
        optimizer=Optimizer(rate=2e-3, warmup=50),
        augment=AugmentConfig(scale=(0.7, 1.35), far_share=0, occlude=0, photometric=0.5),
        phases=[
            Phase(
                steps=scale.pyramid_steps, size=scale.network.input_size, batch=scale.pyramid_batch, sigma=scale.sigma
            )
        ],
    )
    return RunConfig(
        model="kimnet",
        start="movenet",
        clips=[Source(dataset="sub-jhmdb-15", part=f"train{fold}", weight=0.6)],
        stills=[Source(dataset="lspet", part="train", weight=0.4)],
        stages=[stage],
        average=0.99,
        save_every=scale.save_every,
        log_every=min(20, scale.save_every),
    )


def augmentation(scale: Scale) -> tuple[SequenceConfig, AugmentConfig]:
    """Of the clips, for every row alike: the paper's scale, turn and mirror, and a crop that moves as a tracker's."""
    sequence = SequenceConfig(frames=scale.frames, still_share=0, drift=0.01, scale_jitter=0.02)
    return sequence, AugmentConfig(scale=PAPER_SCALE, far_share=0, shift=0.02, turned=1, photometric=0, occlude=0)


def row_run(scale: Scale, row: Row, seed: int) -> RunConfig:
    """A row's own training: everything after the pyramid, over clips."""
    sequence, augment = augmentation(scale)
    stage = StageConfig(
        name="clips",
        kind="clips",
        optimizer=Optimizer(rate=scale.rate, warmup=50, decay=0.01),
        sequence=sequence,
        augment=augment,
        phases=[Phase(steps=scale.steps, size=scale.network.input_size, batch=scale.batch, sigma=scale.sigma)],
    )
    return RunConfig(
        model="kimnet",
        seed=seed,
        clips=[Source(dataset="sub-jhmdb-15", part="train1")],
        stages=[stage],
        average=0.99,
        save_every=scale.save_every,
        log_every=min(20, scale.save_every),
    )
