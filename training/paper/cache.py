"""Features that are computed once and kept on disk: of a fold's training clips, and of pictures that are evaluated.

They lie outside the work tree, in float16. Every file is whole or not there, so that a kill leaves nothing wrong.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from model.values import Array
from training.paper.settings import Scale, augmentation
from training.samples.pool import Pool, draw
from training.samples.sequences import augment_sequence

CHUNK = 100
"""Sequences a file."""

KeptSequence = tuple[Tensor, Tensor, Tensor, Tensor]

_LABELS = ("cells", "labelled", "thetas")


class SequenceCache:
    """Augmented clips of a fold, the same for every row and seed; clip i depends on the fold and on i alone.

    Args:
        folder: of the files; fold: that the clips are of.
    """

    def __init__(self, folder: Path, scale: Scale, fold: int) -> None:
        self.folder, self.scale, self.fold = folder, scale, fold
        if scale.sequences % CHUNK:
            raise ValueError(f"sequences: expected a multiple of {CHUNK}, got {scale.sequences}")
        self.chunks = scale.sequences // CHUNK

    def fill(
        self,
        pool: Pool,
        features: Callable[[Array], Array],
        progress: Callable[[int, int], None],
    ) -> None:
        """Compute what is missing; `features` takes pictures uint8 [B, S, S, 3] to what is kept of them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for chunk in range(self.chunks):
            if not self._path(chunk, "labels.npz").exists():
                self._compute(chunk, pool, features)
            progress(chunk + 1, self.chunks)

    @property
    def filled(self) -> bool:
        """Whether everything is there."""
        return all(self._path(chunk, "labels.npz").exists() for chunk in range(self.chunks))

    def read(self, index: int) -> KeptSequence:
        """Clip `index`: features float16 [T, D + 4, h, w], cells [T, K, 2], labelled [T, K] and thetas [T, 2, 3]."""
        chunk, place = divmod(index, CHUNK)
        kept = np.load(self._path(chunk, "features.npy"), mmap_mode="r")
        with np.load(self._path(chunk, "labels.npz")) as labels:
            cells, labelled, thetas = (torch.from_numpy(labels[name][place].copy()) for name in _LABELS)
        return torch.from_numpy(np.array(kept[place])), cells, labelled, thetas

    def _compute(self, chunk: int, pool: Pool, features: Callable[[Array], Array]) -> None:
        sequence, augment = augmentation(self.scale)
        kept, labels = [], []
        for index in range(chunk * CHUNK, (chunk + 1) * CHUNK):
            rng = np.random.default_rng([self.fold, index])
            clip = draw([pool], rng)
            images, *rest, _ = augment_sequence(clip, self.scale.network.input_size, sequence, augment, rng)
            kept.append(features(images.permute(0, 2, 3, 1).numpy()))
            labels.append([part.numpy() for part in rest])
        _write(self._path(chunk, "features.npy"), lambda path: np.save(path, np.stack(kept)))
        cells, labelled, thetas = (np.stack(part) for part in zip(*labels, strict=True))
        _write(
            self._path(chunk, "labels.npz"),
            lambda path: np.savez(path, cells=cells, labelled=labelled, thetas=thetas),
        )

    def _path(self, chunk: int, name: str) -> Path:
        return self.folder / f"{chunk:04d}-{name}"


def _write(path: Path, save: Callable[[Path], None]) -> None:
    unfinished = path.with_name(f"unfinished-{path.name}")
    save(unfinished)
    unfinished.replace(path)


class KeptSequences(Dataset[KeptSequence]):
    """The clips in an order of the seed's, pass after pass; sample i is a function of the seed and of i alone."""

    def __init__(self, cache: SequenceCache, seed: int) -> None:
        self.cache, self.seed = cache, seed

    def __getitem__(self, index: int) -> KeptSequence:
        count = self.cache.scale.sequences
        turn, place = divmod(index, count)
        order = np.random.default_rng([self.seed, turn]).permutation(count)
        return self.cache.read(int(order[place]))


class PictureCache:
    """What is kept of pictures, found by the picture itself: an append-only file of records of one size.

    A record counts once its key is written, which is after its numbers: a kill loses the last one at most. One process
    at a time writes.

    Args:
        folder: of its two files; features: of a picture that is not there yet.
    """

    def __init__(self, folder: Path, features: Callable[[Array], Array]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._features = features
        self._data = os.open(folder / "pictures.bin", os.O_RDWR | os.O_CREAT, 0o644)
        self._keys = os.open(folder / "pictures.keys", os.O_RDWR | os.O_CREAT, 0o644)
        known = os.pread(self._keys, os.fstat(self._keys).st_size, 0)
        size = hashlib.blake2b(digest_size=16).digest_size
        self._places = {known[i * size : (i + 1) * size]: i for i in range(len(known) // size)}
        self._shape: tuple[int, ...] | None = None

    def read(self, picture: Array) -> Array:
        """Of a picture uint8 [S, S, 3]: float16 [D + 4, h, w]."""
        key = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        place = self._places.get(key)
        if place is None or self._shape is None:
            kept: Array = self._features(picture[None])[0]
            self._shape = kept.shape
            if place is None:
                self._append(key, kept)
            return kept
        size = int(np.prod(self._shape)) * 2
        found: Array = np.frombuffer(os.pread(self._data, size, place * size), np.float16).reshape(self._shape)
        return found

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._data)
        os.close(self._keys)

    def _append(self, key: bytes, kept: Array) -> None:
        place = len(self._places)
        blob = np.ascontiguousarray(kept).tobytes()
        os.pwrite(self._data, blob, place * len(blob))
        os.pwrite(self._keys, key, place * len(key))
        self._places[key] = place
