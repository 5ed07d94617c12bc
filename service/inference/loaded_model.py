"""The model that a server serves: loaded once, onto its device."""

import ctypes
from contextlib import suppress
from dataclasses import dataclass

from model.cards import ModelCard
from model.finder.finder import MultiPoseFinder
from model.opened import open_model
from model.people.follow import LookEvery
from model.skeletons import Skeleton
from model.tracker import Tracker
from service.config import Settings
from service.contract.messages import ModelInfo
from service.inference.cores import available_cores
from service.inference.device_loop import Stepper
from service.inference.timed_finder import TimedFinder
from service.observability.metrics import Metrics

MOST_PARALLEL = 8
"""More threads would wait for Python's lock, which an eighth of a frame's work holds."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model: its card, its skeleton, and what computes it.

    Attributes:
        stacks: whether the frames of a batch are computed together, so that each size of a batch is something new.
        parallel: threads that may compute with the stepper at once.
    """

    card: ModelCard
    skeleton: Skeleton
    stepper: Stepper
    stacks: bool = True
    parallel: int = 1

    @property
    def info(self) -> ModelInfo:
        """What results and sessions say of it."""
        return ModelInfo(self.card.name, self.card.version, self.card.sha256)


def load_model(settings: Settings, metrics: Metrics | None = None) -> LoadedModel:
    """Load the model that the settings name. Blocks: half a second on a CPU, seconds where it is in torch.

    Args:
        metrics: gets the finder's time.

    Raises:
        zoo.UnknownModel, zoo.BadWeights: there is no such model, or it is broken.
        EngineError: there is no such device, or it needs torch, which is not installed.
        ValueError: the settings ask for a runtime that the device does not have.
    """
    cores = available_cores()
    parallel = settings.parallel_frames or min(cores, MOST_PARALLEL)
    threads = cores if settings.parallel_frames == 1 else 1
    engine, card = open_model(
        settings.model, settings.weights_dir, settings.device, settings.runtime, settings.precision, parallel, threads
    )
    finder = TimedFinder(MultiPoseFinder(threads=threads), (metrics or Metrics()).finder)
    look_every = LookEvery(settings.search_every, round(1e6 * settings.search_every_s))
    tracker = Tracker(engine, card.sha256[:16], finder, look_every)
    stacks = engine.device == "cuda"
    _give_memory_back()
    return LoadedModel(card, engine.config.skeleton, tracker, stacks, engine.parallel)


def _give_memory_back() -> None:
    """What compiling took and freed, some 20 MB, which glibc would keep for the process."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
