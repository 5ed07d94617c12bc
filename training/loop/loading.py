"""Batches by step number: what step n of a stage sees depends on the seed and on n alone.

So a run that was killed goes on with the very batches that it would have seen, whatever the number of worker processes.
"""

from collections.abc import Iterator
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset, Sampler


class StepSampler(Sampler[list[int]]):
    """Sample numbers of steps `first` to `last`; each of `world` processes takes its own part of every batch.

    Raises:
        ValueError: a batch cannot be divided by the number of processes.
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, world: int = 1) -> None:
        if batch % world:
            raise ValueError(f"batch: {batch} samples cannot be shared evenly by {world} processes")
        self.steps, self.batch = range(first, last), batch
        self.mine = range(rank * batch // world, (rank + 1) * batch // world)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            yield [step * self.batch + i for i in self.mine]


def load(samples: Dataset[Any], sampler: StepSampler, workers: int, pin: bool = False) -> Iterator[Any]:
    """The batches of a sampler, prepared ahead by `workers` processes (0: by this one)."""
    ahead = 3 if workers else None
    loader: DataLoader[Any] = DataLoader(
        samples,
        batch_sampler=sampler,
        num_workers=workers,
        prefetch_factor=ahead,
        pin_memory=pin,
        worker_init_fn=_single_threaded,
    )
    return iter(loader)


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)  # workers are the threads
