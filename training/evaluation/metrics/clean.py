"""The clean protocol: whole videos, original pixels, hits pooled over all counted joints (KIMNet eqs. 12-13)."""

from collections.abc import Sequence

import numpy as np

from model.pck import PCK, SMALLEST_TORSO_PX, pck, person_size, torso_size
from model.skeletons import Skeleton
from model.values import Array
from training.evaluation.metrics.options import MetricOptions, Normaliser
from training.evaluation.metrics.result import ClipResult


def pck_of(results: Sequence[ClipResult], normaliser: Normaliser, options: MetricOptions) -> PCK:
    """PCK over the joints of all clips."""
    skeleton = results[0].skeleton
    joints, truth, labelled, boxes = (
        np.concatenate([getattr(result, name) for result in results])
        for name in ("joints", "truth", "labelled", "boxes")
    )
    counted = labelled if options.visibility == "visible" else np.ones_like(labelled)
    size = person_size(boxes)
    if normaliser == "torso":
        size, usable = _torso(joints, truth, labelled, size, options, skeleton)
        counted = counted & usable[:, None]
    return pck(joints, truth, size, skeleton, options.alpha, counted)


def _torso(
    joints: Array, truth: Array, labelled: Array, person: Array, options: MetricOptions, skeleton: Skeleton
) -> tuple[Array, Array]:
    """The size [T] that the torso rule gives each frame, and bool [T]: the frame counts."""
    size = torso_size(truth, joints, skeleton)
    shoulder, hip = skeleton.index("left_shoulder"), skeleton.index("right_hip")
    visible = labelled[:, shoulder] & labelled[:, hip]
    if options.torso_invalid == "skip":
        return size, visible
    everywhere = np.ones_like(visible)
    if options.torso_invalid == "legacy":
        return size, everywhere
    true = np.linalg.norm(truth[:, shoulder].astype(np.float64) - truth[:, hip], axis=-1)
    return np.where(visible & (true >= SMALLEST_TORSO_PX) & (true <= person), true, person), everywhere
