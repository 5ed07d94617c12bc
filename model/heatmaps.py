"""Heatmaps to joints, with sub-pixel peaks and scores in [0, 1]."""

import cv2
import numpy as np

from model.values import Array

SIGMA = 2.0
"""Standard deviation of the blobs that networks learn, cells of a 64x64 map (SimpleBaseline)."""


def decode(maps: Array) -> tuple[Array, Array]:
    """Peaks of maps [K, h, w]: cells float64 [K, 2] and scores float32 [K] in [0, 1].

    As DARK (Zhang et al. 2020, eqs. 7-8): smooth, take the logarithm, one Newton step from the largest cell. The
    smoothing is as wide as a target blob, the matched filter of a blob in noise: it also settles which of two
    peaks has more under it. What that gains over other decoders is in docs/training.md. The score is the height
    of the raw map there, cut to [0, 1].
    """
    finite = np.asarray(maps, np.float32)
    if not np.isfinite(finite).all():
        finite = np.nan_to_num(finite, nan=0.0, posinf=1.0, neginf=0.0)
    joints, height, width = finite.shape
    # One call for all joints: as channels of one picture each is blurred as it would be alone, bit for bit.
    smooth = _blur(finite).reshape(joints, height * width)
    flat = smooth.argmax(axis=1)
    rows, columns = np.divmod(flat, width)
    cells = np.stack([columns, rows], axis=1).astype(np.float64)
    inside = np.flatnonzero((rows >= 1) & (rows < height - 1) & (columns >= 1) & (columns < width - 1))
    around = flat[inside, None] + width * _DOWN + _RIGHT  # [n, 9], row by row
    cells[inside] += _newton_steps(smooth[inside[:, None], around])
    score = finite.reshape(joints, height * width)[np.arange(joints), flat]
    return cells, score.clip(0.0, 1.0)


_DOWN, _RIGHT = np.repeat([-1, 0, 1], 3), np.tile([-1, 0, 1], 3)
"""The cells round a peak, row by row."""


def _blur(maps: Array) -> Array:
    """Maps [K, h, w] smoothed as wide as a target blob."""
    joints = len(maps)
    picture = np.ascontiguousarray(maps.transpose(1, 2, 0))  # [h, w, K]
    smooth: Array = cv2.GaussianBlur(picture, (0, 0), SIGMA).reshape(*maps.shape[1:], joints)
    return np.ascontiguousarray(smooth.transpose(2, 0, 1))


def newton_step(smooth: Array, x: int, y: int) -> tuple[float, float]:
    """Offset from cell (x, y) to the peak of the log map, at most one cell a side; (0, 0) at the border."""
    h, w = smooth.shape
    if not (1 <= x < w - 1 and 1 <= y < h - 1):
        return 0.0, 0.0
    [[dx, dy]] = _newton_steps(smooth[y - 1 : y + 2, x - 1 : x + 2].reshape(1, 9))
    return float(dx), float(dy)


def _newton_steps(patches: Array) -> Array:
    """Offsets float64 [n, 2] (x, y) from the middles of patches [n, 9], three rows of three cells each."""
    log = np.log(np.maximum(patches.astype(np.float64), 1e-10)).reshape(-1, 3, 3)
    gx, gy = (log[:, 1, 2] - log[:, 1, 0]) / 2, (log[:, 2, 1] - log[:, 0, 1]) / 2
    hxx = log[:, 1, 2] - 2 * log[:, 1, 1] + log[:, 1, 0]
    hyy = log[:, 2, 1] - 2 * log[:, 1, 1] + log[:, 0, 1]
    hxy = (log[:, 2, 2] - log[:, 2, 0] - log[:, 0, 2] + log[:, 0, 0]) / 4
    det = hxx * hyy - hxy * hxy
    peaked = (det > 1e-12) & (hxx < 0)
    det = np.where(peaked, det, 1.0)
    steps = np.stack([-(hyy * gx - hxy * gy) / det, -(hxx * gy - hxy * gx) / det], axis=1)
    return np.where(peaked[:, None], steps.clip(-1, 1), 0.0)
