"""PCK, the percentage of correct keypoints: a joint counts as found within alpha times a size of the person.

The number means little without its normaliser; two are in use, and both are given with it:
    person size   the longer side of the person's box, as Penn Action and sub-JHMDB papers do
    torso         left shoulder to right hip in the true pose, the stricter one
Sums run over joints, not over frames or clips: every labelled joint weighs the same.
"""

from dataclasses import dataclass

import numpy as np

from model.skeletons import Skeleton
from model.values import Array

SMALLEST_TORSO_PX = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pck:
    """Counts that add up over clips: `a + b`.

    Attributes:
        hits: int64 [K], joints found, by joint.
        labelled: int64 [K], joints that were looked for, by joint.
    """

    hits: Array
    labelled: Array

    def __add__(self, other: "Pck") -> "Pck":
        return Pck(self.hits + other.hits, self.labelled + other.labelled)

    @property
    def percent(self) -> float:
        """Over all joints, in [0, 100]; NaN where nothing was labelled."""
        total = int(self.labelled.sum())
        return 100.0 * int(self.hits.sum()) / total if total else float("nan")

    def by_joint(self, skeleton: Skeleton) -> dict[str, float]:
        """Percent of each joint; joints that were never labelled are left out."""
        return {
            name: 100.0 * int(hits) / int(labelled)
            for name, hits, labelled in zip(skeleton.joints, self.hits, self.labelled, strict=True)
            if labelled
        }


def pck(predicted: Array, truth: Array, size: Array, alpha: float = 0.2, labelled: Array | None = None) -> Pck:
    """Count the joints that lie at most alpha * size from the truth.

    Args:
        predicted, truth: [T, K, 2], pixels of the same picture.
        size: [T], the person's size in each frame, pixels.
        alpha: the tolerance, a share of the size.
        labelled: bool [T, K], joints whose truth is known; None means all.

    Raises:
        ValueError: the shapes do not fit together.
    """
    if predicted.shape != truth.shape or truth.ndim != 3 or size.shape != truth.shape[:1]:
        raise ValueError(f"pck: expected [T, K, 2] twice and [T], got {predicted.shape}, {truth.shape}, {size.shape}")
    known = np.ones(truth.shape[:2], bool) if labelled is None else labelled
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1)  # [T, K]
    found = (distance <= alpha * size[:, None]) & known
    return Pck(found.sum(axis=0), known.sum(axis=0))


def person_size(boxes: Array) -> Array:
    """Longer side [T] of boxes [T, 4], x, y, w, h."""
    return boxes[:, 2:].max(axis=1)


def torso_size(truth: Array, predicted: Array, skeleton: Skeleton) -> Array:
    """Left shoulder to right hip [T] of true poses [T, K, 2].

    Below one pixel (both joints labelled at one place) no tolerance would be left: the predicted torso stands in.
    """
    shoulder, hip = skeleton.index("left_shoulder"), skeleton.index("right_hip")

    def length(poses: Array) -> Array:
        return np.linalg.norm(poses[:, shoulder].astype(np.float64) - poses[:, hip], axis=-1)

    true = length(truth)
    return np.where(true < SMALLEST_TORSO_PX, length(predicted), true)
