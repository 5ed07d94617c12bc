"""Heatmaps with known peaks, by numpy: what tests read joints off."""

import numpy as np

from model.heatmaps import SIGMA
from model.values import Array


def blobs(xy: Array, size: int, sigma: float = SIGMA) -> Array:
    """Gaussians float32 [..., size, size] with peak 1 at sub-cell centres xy [..., 2]."""
    cells = np.arange(size, dtype=np.float32)
    center = np.asarray(xy, np.float32)
    gx = np.exp(-((cells - center[..., 0:1]) ** 2) / (2 * sigma**2))
    gy = np.exp(-((cells - center[..., 1:2]) ** 2) / (2 * sigma**2))
    return np.asarray(gy[..., :, None] * gx[..., None, :], np.float32)
