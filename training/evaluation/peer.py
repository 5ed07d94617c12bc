"""MoveNet Thunder, read by its own decoder, on the same pictures and boxes: what our weights started from."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from model.values import Array
from training.datasets.coco import JOINTS_17, to_skeleton
from training.datasets.person import Clip
from training.evaluation.metrics import ClipResult
from training.teacher import style
from training.teacher.movenet import MoveNet
from training.teacher.square import Square, crop

MARGIN = 1.25
"""Side of the square that it sees over the longer side of the person's box, as for our own network."""


class MoveNetReader:
    """Reads the true box of every frame, without memory.

    Args:
        path: movenet-thunder.json; its .bin lies beside it.
        coefficients: [6, 7] of `training.teacher.style`, which move its joints to JHMDB's places; None leaves them.

    Raises:
        GraphError: the files are not MoveNet's.
    """

    def __init__(self, path: Path, coefficients: Array | None = None) -> None:
        self._network = MoveNet(path)
        self._coefficients = coefficients

    def run(self, clips: Iterable[Clip]) -> list[ClipResult]:
        """Joints of every frame of the clips, beside the truth."""
        return [self._run(clip) for clip in clips]

    def _run(self, clip: Clip) -> ClipResult:
        read = [self._read(clip, t) for t in range(len(clip))]
        joints, scores = (np.stack(part).astype(np.float32) for part in zip(*read, strict=True))
        return ClipResult(clip.name, clip.action, joints, clip.joints, clip.labelled, clip.boxes, scores)

    def _read(self, clip: Clip, t: int) -> tuple[Array, Array]:
        """Joints [K, 2], frame pixels, and scores [K]."""
        region = clip.region(t)
        square = Square(*region.center, MARGIN * max(region.w, region.h))
        found = self._network(crop(clip.frames[t], square))  # [17, 3], shares of the square's side
        xy = (square.x, square.y) + (found[:, :2] - 0.5) * square.side
        if self._coefficients is not None:
            limbs = [JOINTS_17.index(name) for name in style.LIMB_JOINTS]
            xy[limbs] = style.restyle(xy[limbs], self._coefficients)
        joints, _ = to_skeleton(np.column_stack([xy, np.ones(len(xy))]))
        scores, _ = to_skeleton(np.column_stack([found[:, 2], found[:, 2], np.ones(len(xy))]))
        return joints, scores[:, 0]
