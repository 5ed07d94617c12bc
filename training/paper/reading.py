"""A trained row as a tracker: whole videos, frame by frame, with what is kept of each crop."""

from collections.abc import Callable, Sequence

import torch

from model.baselines.recurrence import Features
from model.engines.recurrence_engine import RecurrenceEngine
from model.tracker import Tracker
from model.values import Array
from training.datasets.person import Clip
from training.evaluation.metrics import ClipResult
from training.evaluation.run import run_clip
from training.paper.shared import Tail


def tracker_of(tail: Tail, kept: Callable[[Array], Array], digest: str) -> Tracker:
    """A tracker that reads with this row.

    Args:
        kept: what is kept of a picture uint8 [S, S, 3]: float16 [D + 4, h, w].
        digest: of the weights, for its states.
    """

    def read(picture: Array, fresh: bool) -> Features:
        return tail.features(torch.from_numpy(kept(picture).copy())[None])

    return Tracker(RecurrenceEngine(tail.config, read, tail.recurrence), digest)


def read_clips(tracker: Tracker, clips: Sequence[Clip]) -> list[ClipResult]:
    """Every frame of the clips in the person's true box, one after the other, as in the paper."""
    return [run_clip(tracker, clip, "box") for clip in clips]
