"""Noise seeds: how much of a tracked figure is luck.

The tracker feeds on its own joints, so on hard clips a change of one unit in the last place grows into another track:
single clips have moved by 40 points of PCK. A tracked figure is therefore the mean over runs that differ by such noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from model.engines.base import Engine, ModelInput, ModelOutput
from model.pck import PCK
from model.values import Array

HALF_ULP = 2.0**-11
"""Largest relative change: half a unit in the last place of a half-precision number."""


class NoisyEngine:
    """An Engine whose maps are changed at random by at most `HALF_ULP` of each number.

    The noise depends on the seed and on how many frames were read before.
    """

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._rng = np.random.default_rng(seed)
        self.config = engine.config
        self.device = engine.device
        self.signature = engine.signature
        self.parallel = 1  # whose noise is whose would depend on who is faster

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine."""
        return [self._changed(output) for output in self._engine.infer(inputs)]

    def _changed(self, output: ModelOutput) -> ModelOutput:
        m = self._noisy(output.m)
        carry = m if output.carry is output.m else self._noisy(output.carry)
        return ModelOutput(m, self._noisy(output.q), carry, output.presence)

    def _noisy(self, maps: Array) -> Array:
        noise = self._rng.uniform(-HALF_ULP, HALF_ULP, maps.shape).astype(np.float32)
        return np.asarray(maps * (1 + noise), np.float32)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several runs.

    Attributes:
        mean, deviation: over the runs; the deviation is that of a sample, 0 for a single run.
        runs: how many.
    """

    mean: float
    deviation: float
    runs: int

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.runs == 1 else f"{self.mean:.1f} ± {self.deviation:.1f}"


def spread_of(figures: Sequence[float]) -> Spread:
    """Mean and deviation of at least one figure."""
    return Spread(float(np.mean(figures)), float(np.std(figures, ddof=1)) if len(figures) > 1 else 0.0, len(figures))


def mean_pck(runs: Sequence[PCK]) -> PCK:
    """The mean of PCKs of the same joints."""
    joints = {name: fmean(run.per_joint[name] for run in runs) for name in runs[0].per_joint}
    return PCK(fmean(run.mean for run in runs), joints, runs[0].joints)
