"""Trains and evaluates what is missing, fold by fold and row by row. After a kill it goes on to the same result."""

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from model.tracker import Tracker
from model.values import Array
from training.datasets import catalog
from training.datasets.person import Clip, in_skeleton
from training.loop.machine import machine_name
from training.paper import occluded, results
from training.paper.cache import PictureCache, SequenceCache
from training.paper.reading import read_clips, tracker_of
from training.paper.results import Made
from training.paper.rows import Row
from training.paper.settings import Scale, pyramid_run, row_run
from training.paper.shared import Shared, Tail, is_finished, load_shared, train_pyramid
from training.paper.train import load_row, train_row
from training.samples.pool import Pool, Pools

DATASET = "sub-jhmdb-15"


@dataclass(frozen=True, slots=True)
class Paper:
    """A reproduction under way.

    Attributes:
        scale: how much is computed; data: folder of the data sets; movenet: its JSON file.
        state: folder of runs and kept features, outside the work tree.
        say: told what is done.
    """

    scale: Scale
    fabric: Fabric
    data: Path
    movenet: Path
    state: Path
    say: Callable[[str], None] = print

    def run(self, rows: Sequence[Row], folds: Sequence[int], seeds: Sequence[int]) -> None:
        """All rows of a fold before the next fold, all folds before the next seed."""
        for seed in seeds:
            for fold in folds:
                missing = [row for row in rows if not results.is_there(self.folder(row, fold, seed))]
                if missing:
                    self._fold(missing, fold, seed)

    def folder(self, row: Row, fold: int, seed: int) -> Path:
        """Where a row's run of a fold and seed lies."""
        return self.state / "rows" / row.key / f"fold{fold}-seed{seed}"

    def shared(self, fold: int) -> Shared:
        """What all rows of a fold share; trained where it is missing."""
        folder, config = self._fold_folder(fold) / "pyramid", pyramid_run(self.scale, fold)
        if not is_finished(folder, config):
            self._pyramid(fold)
        return load_shared(self.scale.network, folder)

    def test_clips(self, fold: int) -> list[Clip]:
        """The clips that a fold is measured on."""
        return list(catalog.read(self.data, DATASET, f"test{fold}"))

    @contextmanager
    def pictures(self, fold: int, shared: Shared) -> Iterator[PictureCache]:
        """Kept features of pictures that a fold is measured on."""
        cache = PictureCache(self._fold_folder(fold) / "pictures", shared.of_pictures)
        try:
            yield cache
        finally:
            cache.close()

    def readers(self, rows: Sequence[Row], fold: int) -> "Readers":
        """Trained rows of a fold, to read pictures with; nothing of these is kept on disk."""
        shared = self.shared(fold)

        def kept(picture: Array) -> Array:
            features: Array = shared.of_pictures(picture[None])[0]
            return features

        tails = {row.key: self._trained(row, fold, shared) for row in rows}
        return Readers(tails, {key: tracker_of(tail, kept, key) for key, tail in tails.items()}, kept)

    def hide(self, rows: Sequence[Row], fold: int = 1) -> None:
        """Hidden joints (Fig. 9) of trained rows that have not been measured yet."""
        missing = [row for row in rows if self.is_there(row, fold) and not self._hidden(row, fold).exists()]
        if not missing:
            return
        clips, shared = self.test_clips(fold), self.shared(fold)
        with self.pictures(fold, shared) as pictures:
            for row in missing:
                began = time.monotonic()
                tracker = tracker_of(self._trained(row, fold, shared), pictures.read, row.key)
                occluded.measure(tracker, clips, self.folder(row, fold, 0))
                self.say(f"fold {fold} {row.title}: hidden joints, {time.monotonic() - began:.0f} s")

    def hidden(self, rows: Sequence[Row], fold: int = 1) -> dict[str, occluded.RowCurves]:
        """What has been measured of hidden joints."""
        return {row.key: occluded.read(self.folder(row, fold, 0)) for row in rows if self._hidden(row, fold).exists()}

    def is_there(self, row: Row, fold: int, seed: int = 0) -> bool:
        """Whether a row has been trained and measured."""
        return results.is_there(self.folder(row, fold, seed))

    def _trained(self, row: Row, fold: int, shared: Shared) -> Tail:
        return load_row(self.scale, row, shared, self.folder(row, fold, 0))

    def _hidden(self, row: Row, fold: int) -> Path:
        return self.folder(row, fold, 0) / occluded.FILE

    def _fold_folder(self, fold: int) -> Path:
        return self.state / f"fold{fold}"

    def _pyramid(self, fold: int) -> None:
        self.say(f"fold {fold}: the common pyramid")
        config = pyramid_run(self.scale, fold)
        [still], [clip] = config.stills, config.clips
        skeleton = self.scale.network.skeleton
        stills = [in_skeleton(one, skeleton) for one in catalog.read(self.data, still.dataset, still.part)]
        people = list(catalog.read(self.data, clip.dataset, clip.part))
        pools = Pools([Pool(stills, still.weight)], [Pool(people, clip.weight)])
        out = self._fold_folder(fold) / "pyramid"
        out.mkdir(parents=True, exist_ok=True)
        train_pyramid(config, self.scale.network, self.fabric, pools, self.movenet, out)

    def _sequences(self, fold: int, shared: Shared) -> SequenceCache:
        cache = SequenceCache(self._fold_folder(fold) / "sequences", self.scale, fold)
        if not cache.filled:
            pool = Pool(list(catalog.read(self.data, DATASET, f"train{fold}")))
            cache.fill(pool, shared.of_pictures, lambda done, n: self.say(f"fold {fold}: features {done} of {n}"))
        return cache

    def _fold(self, rows: Sequence[Row], fold: int, seed: int) -> None:
        shared = self.shared(fold)
        cache, clips = self._sequences(fold, shared), self.test_clips(fold)
        with self.pictures(fold, shared) as pictures:
            for row in rows:
                self._row(row, fold, seed, shared, cache, clips, pictures)

    def _row(
        self,
        row: Row,
        fold: int,
        seed: int,
        shared: Shared,
        cache: SequenceCache,
        clips: Sequence[Clip],
        pictures: PictureCache,
    ) -> None:
        folder, config = self.folder(row, fold, seed), row_run(self.scale, row, seed)
        began = time.monotonic()
        tail = train_row(self.scale, row, config, self.fabric, shared, cache, folder)
        trained = time.monotonic()
        found = read_clips(tracker_of(tail, pictures.read, row.key), clips)
        ended = time.monotonic()
        results.write(folder, self._made(row, fold, seed, tail, trained - began, ended - trained), found)
        self.say(
            f"fold {fold} seed {seed} {row.title}: {trained - began:.0f} s, then {ended - trained:.0f} s of videos"
        )

    def _made(self, row: Row, fold: int, seed: int, tail: Tail, training: float, reading: float) -> Made:
        return Made(
            row=row.key,
            fold=fold,
            seed=seed,
            steps=self.scale.steps,
            batch=self.scale.batch,
            train_seconds=round(training, 1),
            eval_seconds=round(reading, 1),
            parameters=sum(p.numel() for p in tail.parameters()),
            memory_channels=tail.recurrence.memory_channels,
            machine=machine_name(torch.device("cpu")),
            skeleton=self.scale.network.skeleton.name,
        )


@dataclass(frozen=True, slots=True)
class Readers:
    """Trained rows by their keys, as networks and as trackers, and what makes the features that they read."""

    tails: Mapping[str, Tail]
    trackers: Mapping[str, Tracker]
    kept: Callable[[Array], Array]


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the state folder.

    Raises:
        BlockingIOError: another process holds it.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
