"""Heatmaps to joints, with sub-pixel peaks and scores in [0, 1]."""

import cv2
import numpy as np

from model.values import Array

SIGMA = 2.0
"""Standard deviation of the blobs that networks learn, cells of a 64x64 map (SimpleBaseline)."""


def decode(maps: Array, smooth: Array | None = None) -> tuple[Array, Array]:
    """Peaks of maps [K, h, w]: cells float64 [K, 2] and scores float32 [K] in [0, 1].

    As DARK (Zhang et al. 2020, eqs. 7-8): smooth, take the logarithm, one Newton step from the largest cell. The
    smoothing is as wide as a target blob, the matched filter of a blob in noise: it also settles which of two
    peaks has more under it. What that gains over other decoders is in docs/training.md. The score is the height
    of the raw map there, cut to [0, 1].

    Args:
        smooth: `smoothed(maps)`, where that is there already.
    """
    finite = np.asarray(maps, np.float32)
    if not np.isfinite(finite).all():
        finite, smooth = np.nan_to_num(finite, nan=0.0, posinf=1.0, neginf=0.0), None
    joints, height, width = finite.shape
    smooth = smoothed(finite) if smooth is None else smooth
    flat = smooth.reshape(joints, height * width).argmax(axis=1)
    places = flat + np.arange(0, finite.size, height * width)
    score = finite.reshape(-1).take(places).clip(0.0, 1.0)
    around = places[:, None] + width * _DOWN + _RIGHT  # [K, 9], row by row; of a peak at the border it is not read
    logs = _logs(smooth.reshape(-1).take(around, mode="clip"))
    # With Python's numbers: a dozen small calls of numpy take longer.
    cells = [_peak(cell, height, width, log) for cell, log in zip(flat.tolist(), logs, strict=True)]
    return np.array(cells, np.float64).reshape(joints, 2), score


_DOWN, _RIGHT = np.repeat([-1, 0, 1], 3), np.tile([-1, 0, 1], 3)
"""The cells round a peak, row by row."""


def smoothed(maps: Array) -> Array:
    """Maps float32 [K, h, w] smoothed as wide as a target blob."""
    joints = len(maps)
    # One call for all joints: as channels of one picture each is blurred as it would be alone, bit for bit.
    smooth: Array = cv2.GaussianBlur(cv2.merge(list(maps)), (0, 0), SIGMA).reshape(*maps.shape[1:], joints)
    return np.ascontiguousarray(smooth.transpose(2, 0, 1))


def newton_step(smooth: Array, x: int, y: int) -> tuple[float, float]:
    """Offset from cell (x, y) to the peak of the log map, at most one cell a side; (0, 0) at the border."""
    if not _is_inside(x, y, smooth.shape[1], smooth.shape[0]):
        return 0.0, 0.0
    [log] = _logs(smooth[y - 1 : y + 2, x - 1 : x + 2].reshape(1, 9))
    return _step(*log)


def _logs(patches: Array) -> list[list[float]]:
    logs: list[list[float]] = np.log(np.maximum(patches.astype(np.float64), 1e-10)).tolist()
    return logs


def _is_inside(x: int, y: int, width: int, height: int) -> bool:
    return 1 <= x < width - 1 and 1 <= y < height - 1


def _peak(cell: int, height: int, width: int, log: list[float]) -> tuple[float, float]:
    """The peak (x, y) about a largest cell, which stays where it is at the border."""
    y, x = divmod(cell, width)
    dx, dy = _step(*log) if _is_inside(x, y, width, height) else (0.0, 0.0)
    return x + dx, y + dy


def _step(
    a: float, above: float, b: float, left: float, middle: float, right: float, c: float, below: float, d: float
) -> tuple[float, float]:
    """Offset (x, y) from the middle of three rows of three cells, logarithms, to their peak."""
    gx, gy = (right - left) / 2, (below - above) / 2
    hxx, hyy = right - 2 * middle + left, below - 2 * middle + above
    hxy = (d - c - b + a) / 4
    det = hxx * hyy - hxy * hxy
    if not (det > 1e-12 and hxx < 0):
        return 0.0, 0.0
    return _within_a_cell(-(hyy * gx - hxy * gy) / det), _within_a_cell(-(hxx * gy - hxy * gx) / det)


def _within_a_cell(step: float) -> float:
    return min(max(step, -1.0), 1.0)
