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


@dataclass(frozen=True, slots=True)
class PCK:
    """One measurement.

    Attributes:
        mean: percent over all labelled joints, in [0, 100]; NaN where nothing was labelled.
        per_joint: percent of each joint; joints that were never labelled are left out.
        joints: how many labelled joints there were.
    """

    mean: float
    per_joint: dict[str, float]
    joints: int


def pck(
    predicted: Array,
    truth: Array,
    size: Array,
    skeleton: Skeleton,
    alpha: float = 0.2,
    labelled: Array | None = None,
) -> PCK:
    """Share of the joints that lie at most alpha * size from the truth.

    Args:
        predicted, truth: [T, K, 2], pixels of the same picture.
        size: [T], the person's size in each frame, pixels.
        alpha: the tolerance, a share of the size.
        labelled: bool [T, K], joints whose truth is known; None means all.

    Raises:
        ValueError: the shapes do not fit together.
    """
    if predicted.shape != truth.shape or truth.ndim != 3 or size.shape != truth.shape[:1]:
        shapes = f"{predicted.shape}, {truth.shape}, {size.shape}"
        raise ValueError(f"pck: expected [T, K, 2] twice and [T], got {shapes}")
    known = np.ones(truth.shape[:2], bool) if labelled is None else labelled
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1)  # [T, K]
    found = (distance <= alpha * size[:, None]) & known
    total, hits = int(known.sum()), int(found.sum())
    return PCK(100.0 * hits / total if total else float("nan"), _per_joint(found, known, skeleton), total)


def _per_joint(found: Array, known: Array, skeleton: Skeleton) -> dict[str, float]:
    return {
        name: 100.0 * int(found[:, joint].sum()) / int(known[:, joint].sum())
        for joint, name in enumerate(skeleton.joints)
        if known[:, joint].any()
    }


def person_size(boxes: Array) -> Array:
    """Longer side [T] of boxes [T, 4], x, y, w, h."""
    return np.maximum(boxes[:, 2], boxes[:, 3])


def torso_size(truth: Array, predicted: Array, skeleton: Skeleton) -> Array:
    """Left shoulder to right hip [T] of true poses [T, K, 2].

    Below one pixel (both joints labelled at one place) no tolerance is left: the predicted torso stands in.
    """
    shoulder, hip = skeleton.index("left_shoulder"), skeleton.index("right_hip")

    def length(poses: Array) -> Array:
        x, y = np.moveaxis(poses[:, shoulder].astype(np.float64) - poses[:, hip], -1, 0)
        distance: Array = np.hypot(x, y)
        return distance

    true = length(truth)
    return np.where(true < SMALLEST_TORSO_PX, length(predicted), true)
