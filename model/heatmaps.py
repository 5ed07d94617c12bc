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
    finite = np.nan_to_num(np.asarray(maps, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    peaks = [_peak(m) for m in finite]
    return np.array([p[:2] for p in peaks]), np.array([p[2] for p in peaks], np.float32)


def _peak(heatmap: Array) -> tuple[float, float, float]:
    smooth = cv2.GaussianBlur(heatmap, (0, 0), SIGMA)
    y, x = np.unravel_index(int(smooth.argmax()), smooth.shape)
    dx, dy = newton_step(smooth, int(x), int(y))
    return float(x) + dx, float(y) + dy, float(np.clip(heatmap[y, x], 0.0, 1.0))


def newton_step(smooth: Array, x: int, y: int) -> tuple[float, float]:
    """Offset from cell (x, y) to the peak of the log map, at most one cell a side; (0, 0) at the border."""
    h, w = smooth.shape
    if not (1 <= x < w - 1 and 1 <= y < h - 1):
        return 0.0, 0.0
    patch = np.log(np.maximum(smooth[y - 1 : y + 2, x - 1 : x + 2].astype(np.float64), 1e-10))
    gx, gy = (patch[1, 2] - patch[1, 0]) / 2, (patch[2, 1] - patch[0, 1]) / 2
    hxx = patch[1, 2] - 2 * patch[1, 1] + patch[1, 0]
    hyy = patch[2, 1] - 2 * patch[1, 1] + patch[0, 1]
    hxy = (patch[2, 2] - patch[2, 0] - patch[0, 2] + patch[0, 0]) / 4
    det = hxx * hyy - hxy * hxy
    if det <= 1e-12 or hxx >= 0:
        return 0.0, 0.0
    dx, dy = -(hyy * gx - hxy * gy) / det, -(hxx * gy - hxy * gx) / det
    return float(np.clip(dx, -1, 1)), float(np.clip(dy, -1, 1))
