"""Jitter: how much joints tremble, as the error of their acceleration against the labels' own.

Acceleration of frame t is p[t+1] - 2 p[t] + p[t-1], pixels a frame squared. A slow drift has none of it, trembling has
much; a person who really accelerates is not charged for it, since the labels' acceleration is taken off.
"""

from collections.abc import Sequence

import numpy as np

from model.pck import person_size
from model.values import Array
from training.evaluation.metrics import ClipResult


def jitter_of(results: Sequence[ClipResult]) -> float:
    """Mean acceleration error over all joints that are labelled in three frames running, percent of the person's size.

    NaN where no clip has three frames.
    """
    errors = np.concatenate([_errors(result) for result in results])
    return float(errors.mean()) if len(errors) else float("nan")


def _errors(result: ClipResult) -> Array:
    if len(result) < 3:
        return np.empty(0)
    apart = np.linalg.norm(_acceleration(result.joints) - _acceleration(result.truth), axis=-1)  # [T - 2, K]
    known = result.labelled[2:] & result.labelled[1:-1] & result.labelled[:-2]
    size = person_size(result.boxes)[1:-1, None]
    errors: Array = (100.0 * apart / size)[known]
    return errors


def _acceleration(joints: Array) -> Array:
    exact = joints.astype(np.float64)
    return np.asarray(exact[2:] - 2 * exact[1:-1] + exact[:-2])
