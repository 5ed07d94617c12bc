"""PCK as RPSTN's published code takes it, as far as it is known. Not comparable with anything else.

That code crops each frame to the person's box, stretched to 256 x 256, and measures on the 64 x 64 heatmap:
    - truth and prediction are the largest cells of their maps: whole cells, at the border where a joint lies outside
    - a joint whose true cell has x <= 1 or y <= 1 does not count; whether it is visible is not asked
    - the distance is ||(p - g) / 6.4 + (1, 1)||: a tenth of the map is the unit, and every joint is moved by (1, 1)
    - the limit is alpha times the torso of the clip's FIRST frame in cells, itself excluded. As one side counts cells
      and the other 6.4 of them, it is 4 to 8 times looser than alpha torsos; yet where the torso has 7 cells or fewer
      even a perfect joint is a miss at alpha 0.2
    - by person size, pixels of the original picture meet cells of the crop; taken here as the longer side of the first
      frame's box in pixels, which nearly every joint hits. The original may mix them in another way
    - each joint's share is taken in a clip, the clip's mean over its joints, then the mean over clips
The cell of an estimate is the one that its joint lies in; the largest cell of the map differs by one at most. That
code also reads five random frames a clip; here all frames given are read.
"""

from collections.abc import Sequence

import numpy as np

from model.pck import PCK
from model.values import Array
from training.evaluation.metrics.options import MetricOptions, Normaliser
from training.evaluation.metrics.result import ClipResult

CELLS = 64
UNIT_CELLS = CELLS / 10
STRAY = 1.0
LAST_IGNORED_CELL = 1


def pck_of(results: Sequence[ClipResult], normaliser: Normaliser, options: MetricOptions) -> PCK:
    """Mean over clips of the mean over joints; NaN where no joint counted."""
    skeleton = results[0].skeleton
    shares = np.full((len(results), len(skeleton)), np.nan)
    total = 0
    for row, result in enumerate(results):
        found, counted = _hits(result, normaliser, options.alpha)
        seen = counted.any(axis=0)
        shares[row, seen] = 100.0 * found.sum(axis=0)[seen] / counted.sum(axis=0)[seen]
        total += int(counted.sum())
    clips = [_mean(row) for row in shares]
    per_joint = {name: _mean(shares[:, k]) for k, name in enumerate(skeleton.joints)}
    return PCK(_mean(np.array(clips)), {name: v for name, v in per_joint.items() if not np.isnan(v)}, total)


def _hits(result: ClipResult, normaliser: Normaliser, alpha: float) -> tuple[Array, Array]:
    """found and counted, bool [T, K] each."""
    truth, predicted = _cells(result.truth, result.boxes), _cells(result.joints, result.boxes)
    counted: Array = (truth[..., 0] > LAST_IGNORED_CELL) & (truth[..., 1] > LAST_IGNORED_CELL)
    distance: Array = np.linalg.norm((predicted - truth) / UNIT_CELLS + STRAY, axis=-1)
    if normaliser == "person":
        size = float(result.boxes[0, 2:].max())
    else:
        shoulder, hip = result.skeleton.index("left_shoulder"), result.skeleton.index("right_hip")
        size = float(np.linalg.norm(truth[0, shoulder] - truth[0, hip]))
    near: Array = distance < alpha * size
    return counted & near, counted


def _cells(xy: Array, boxes: Array) -> Array:
    """Whole cells, float64 [T, K, 2], of joints in the box of their frame, stretched over the map."""
    corner, sides = boxes[:, None, :2].astype(np.float64), boxes[:, None, 2:].astype(np.float64)
    return np.clip(np.floor((xy.astype(np.float64) - corner) / sides * CELLS), 0, CELLS - 1)


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
