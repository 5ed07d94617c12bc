"""All that has been run, as figures with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.values import Array
from training.evaluation.metrics import NORMALISERS, ClipResult, Normaliser
from training.paper import bootstrap, results
from training.paper.bootstrap import Hits, Interval
from training.paper.results import Made
from training.report.published import GROUPS


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """What has been run of one row.

    Attributes:
        made: of each run, by (fold, seed).
        hits: normaliser -> fold -> found joints, the mean over that fold's seeds.
    """

    made: Mapping[tuple[int, int], Made]
    hits: Mapping[Normaliser, Mapping[int, Hits]]

    @property
    def folds(self) -> tuple[int, ...]:
        """That have been run, in order."""
        return tuple(sorted({fold for fold, _ in self.made}))

    @property
    def seeds(self) -> int:
        """The smallest number of seeds of a fold."""
        return min(sum(1 for one, _ in self.made if one == fold) for fold in self.folds)


class Measured:
    """Figures of all rows, over the same draws of clips."""

    def __init__(self, rows: Mapping[str, Runs]) -> None:
        self.rows = rows
        every = [hits for runs in rows.values() for hits in runs.hits["person"].values()]
        self._drawn = bootstrap.weights(every)

    def mean(self, row: str, normaliser: Normaliser, joints: Sequence[str] | None = None) -> Interval:
        """PCK in percent of the folds that were run."""
        return bootstrap.interval(self._samples(row, normaliser, self.rows[row].folds, joints))

    def groups(self, row: str, normaliser: Normaliser) -> list[float]:
        """PCK by the papers' columns: the mean of left and right."""
        folds = self.rows[row].folds
        return [
            sum(float(self._samples(row, normaliser, folds, [joint])[0]) for joint in joints) / len(joints)
            for joints in GROUPS.values()
        ]

    def difference(self, row: str, other: str, normaliser: Normaliser) -> Interval | None:
        """Points that `row` has more than `other` on the folds that both have run; None where there is none."""
        common = sorted(set(self.rows[row].folds) & set(self.rows[other].folds))
        if not common:
            return None
        mine, theirs = (self._samples(key, normaliser, common) for key in (row, other))
        return bootstrap.interval(mine - theirs)

    def spread(self, row: str, normaliser: Normaliser) -> float:
        """Largest less smallest PCK of the folds, points."""
        values = [float(self._samples(row, normaliser, [fold])[0]) for fold in self.rows[row].folds]
        return max(values) - min(values)

    def _samples(
        self, row: str, normaliser: Normaliser, folds: Sequence[int], joints: Sequence[str] | None = None
    ) -> Array:
        hits = self.rows[row].hits[normaliser]
        return bootstrap.pooled([hits[fold] for fold in folds], self._drawn, joints)


def measure(
    keys: Sequence[str], folder: Callable[[str, int, int], Path], folds: Sequence[int], seeds: Sequence[int]
) -> Measured | None:
    """What there is of these rows; None where nothing is there.

    Args:
        folder: of a row's fold and seed.
    """
    found = {}
    for key in keys:
        runs = {
            (fold, seed): results.read(folder(key, fold, seed))
            for fold in folds
            for seed in seeds
            if results.is_there(folder(key, fold, seed))
        }
        if runs:
            found[key] = _runs(runs)
    return Measured(found) if found else None


def _runs(runs: Mapping[tuple[int, int], tuple[Made, list[ClipResult]]]) -> Runs:
    folds = sorted({fold for fold, _ in runs})
    hits = {
        normaliser: {
            fold: bootstrap.mean_of_seeds(
                [bootstrap.hits_of(found, normaliser) for (one, _), (_, found) in runs.items() if one == fold]
            )
            for fold in folds
        }
        for normaliser in NORMALISERS
    }
    return Runs({key: made for key, (made, _) in runs.items()}, hits)
