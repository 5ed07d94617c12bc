"""Seeded smooth noise in two or three dimensions, for cloth, wood, plaster and skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def solid_noise(points: Array, wavelength: float, seed: int, waves: int = 12) -> Array:
    """[..., D] points to [...] smooth noise of about unit variance: a sum of plane waves at random angles.

    wavelength: the size of the features in the units of the points; waves between half and twice as long mix.
    """
    rng = np.random.default_rng(seed)
    dimensions = points.shape[-1]
    total = np.zeros(points.shape[:-1])
    for _ in range(waves):
        direction = rng.normal(size=dimensions)
        direction *= 2.0 * np.pi / (np.linalg.norm(direction) * wavelength * 2.0 ** rng.uniform(-1.0, 1.0))
        total += np.sin(points @ direction + rng.uniform(0.0, 2.0 * np.pi))
    scaled: Array = total * np.sqrt(2.0 / waves)
    return scaled


def cell_noise(cells: NDArray[np.int64], seed: int) -> Array:
    """Whole numbers [...] to values in [0, 1) that are fixed for each cell and unlike its neighbours'."""
    mixed = np.sin(cells.astype(np.float64) * 127.1 + seed * 311.7) * 43758.5453
    return mixed - np.floor(mixed)
