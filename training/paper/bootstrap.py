"""How sure a figure is: 95 % intervals by bootstrap over clips.

A clip stands in the test part of up to three folds: it is drawn, or not, for all of them at once, and for all rows at
once, so that differences of rows are differences on the same clips. Frames and joints of a clip depend on one another
and are not drawn by themselves. What another seed of the training would change is not in an interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.pck import person_size, torso_size
from model.skeletons import KINEPOSE_13
from model.values import Array
from training.evaluation.metrics import ClipResult, Normaliser

DRAWS = 4000
_TAILS = (2.5, 97.5)
ALPHA = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Joints found in a fold's test clips.

    Attributes:
        names: of the clips; joints: of the columns.
        found, counted: float64 [C, K]; where several seeds were run, `found` is their mean.
    """

    names: tuple[str, ...]
    joints: tuple[str, ...]
    found: Array
    counted: Array


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def hits_of(results: Sequence[ClipResult], normaliser: Normaliser, alpha: float = ALPHA) -> Hits:
    """What PCK counts, clip by clip (the clean protocol)."""
    found, counted = [], []
    for result in results:
        size = person_size(result.boxes)
        if normaliser == "torso":
            size = torso_size(result.truth, result.joints, result.skeleton)
        distance = np.linalg.norm(result.joints.astype(np.float64) - result.truth, axis=-1)  # [T, K]
        found.append(((distance <= alpha * size[:, None]) & result.labelled).sum(axis=0))
        counted.append(result.labelled.sum(axis=0))
    names = tuple(result.name for result in results)
    return Hits(names, results[0].skeleton.joints, np.stack(found).astype(float), np.stack(counted).astype(float))


def mean_of_seeds(runs: Sequence[Hits]) -> Hits:
    """The same clips, read after several trainings."""
    first = runs[0]
    return Hits(first.names, first.joints, np.mean([run.found for run in runs], axis=0), first.counted)


def weights(folds: Sequence[Hits], draws: int = DRAWS, seed: int = 0) -> Mapping[str, Array]:
    """Clip -> how often it is drawn in each of the draws, int [draws]; the first "draw" is every clip once."""
    names = sorted({name for fold in folds for name in fold.names})
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    whole = np.concatenate([np.ones((1, len(names)), np.int64), drawn])
    return {name: whole[:, i] for i, name in enumerate(names)}


def pooled(folds: Sequence[Hits], drawn: Mapping[str, Array], joints: Sequence[str] | None = None) -> Array:
    """PCK in percent, pooled in a fold and averaged over folds, float64 [1 + draws]; the first is the figure itself.

    Args:
        joints: which of them count; None means all.
    """
    shares: Array = np.mean([_fold(fold, drawn, joints) for fold in folds], axis=0)
    return shares


def _fold(fold: Hits, drawn: Mapping[str, Array], joints: Sequence[str] | None) -> Array:
    columns = [fold.joints.index(name) for name in (joints or fold.joints)]
    chosen = np.stack([drawn[name] for name in fold.names], axis=1).astype(float)  # [draws, C]
    found, counted = chosen @ fold.found[:, columns].sum(axis=1), chosen @ fold.counted[:, columns].sum(axis=1)
    shares: Array = 100.0 * np.divide(found, counted, out=np.full(len(found), np.nan), where=counted > 0)
    return shares


def interval(samples: Array) -> Interval:
    """Of samples [1 + draws] whose first is the figure."""
    low, high = np.nanpercentile(samples[1:], _TAILS)
    return Interval(float(samples[0]), float(low), float(high))


SERVED = KINEPOSE_13.joints
"""The 13 joints that are served, for a mean beside the paper's 15."""
