"""What a part of a dataset holds, counted clip by clip so that no part has to fit memory."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from model.pck import person_size
from model.skeletons import Skeleton
from model.values import Array
from training.datasets.person import SKELETON, Clip


@dataclass(slots=True, eq=False)
class Summary:
    """Counts over the clips added so far.

    Attributes:
        skeleton: that of the clips.
        clips, frames: how many.
        labelled: int [K], frames in which each joint is labelled.
        actions: clips of each action; empty where the dataset knows none.
    """

    skeleton: Skeleton = SKELETON
    clips: int = 0
    frames: int = 0
    labelled: Array = field(init=False)
    actions: Counter[str] = field(default_factory=Counter)
    _sizes: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labelled = np.zeros(len(self.skeleton), np.int64)

    def add(self, clip: Clip) -> None:
        """Count one more clip."""
        if not self.clips:
            self.skeleton, self.labelled = clip.skeleton, np.zeros(len(clip.skeleton), np.int64)
        self.clips += 1
        self.frames += len(clip)
        self.labelled = self.labelled + clip.labelled.sum(axis=0)
        self._sizes.append(person_size(clip.boxes))
        if clip.action:
            self.actions[clip.action] += 1

    def labelled_percent(self) -> Array:
        """Share of the frames in which each joint is labelled, 0 to 100, float64 [K]."""
        return 100.0 * self.labelled / max(1, self.frames)

    def person_sizes(self) -> tuple[float, float, float]:
        """Smallest, median and largest longer side of the person's box in pixels; NaN without a clip."""
        sizes = np.concatenate(self._sizes) if self._sizes else np.array([np.nan])
        return float(sizes.min()), float(np.median(sizes)), float(sizes.max())
