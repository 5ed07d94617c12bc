"""MoveNet SinglePose on a clip, through OpenVINO: `python -m tests.bench.peers.movenet_reader WEIGHTS CLIP`.

It looks at the whole first frame, and then at a square round the joints of the frame before, as its authors' own
example does. Prints lines as `mediapipe_reader`.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from model.values import Array
from training.teacher.movenet import MoveNet
from training.teacher.square import Square, crop

JOINTS = [0, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
"""Nose, then right and left shoulder, elbow, wrist, hip, knee, ankle in COCO's order of 17."""

_SEEN = 0.2
_SHOULDERS, _HIPS = [5, 6], [11, 12]
_TORSO_EXPANSION, _BODY_EXPANSION = 1.9, 1.2


def main() -> None:
    """Read the clip and print."""
    network = MoveNet(Path(sys.argv[1]), threads=len(os.sched_getaffinity(0)))
    square: Square | None = None
    for picture in _pictures(sys.argv[2]):
        height, width = picture.shape[:2]
        square = square or whole(width, height)
        found = network(crop(picture, square, network.size))  # [17, 3], shares of the square's side
        xy = (square.x, square.y) + (found[:, :2] - 0.5) * square.side
        square = next_square(xy, found[:, 2], width, height)
        print(json.dumps({"joints": np.round(xy[JOINTS], 4).tolist()}), flush=True)


def whole(width: int, height: int) -> Square:
    """The whole picture, letterboxed."""
    return Square((width - 1) / 2, (height - 1) / 2, max(width, height))


def next_square(xy: Array, score: Array, width: int, height: int) -> Square:
    """Where the example of its authors looks in the next frame.

    Args:
        xy: float [17, 2], pixels, in COCO's order; score: [17].
    """
    seen = score > _SEEN
    if not (seen[_SHOULDERS].any() and seen[_HIPS].any()):
        return whole(width, height)
    x, y = xy[_HIPS].mean(axis=0)
    away = np.abs(xy - (x, y)).max(axis=1)
    torso = away[_SHOULDERS + _HIPS].max()
    half = max(_TORSO_EXPANSION * torso, _BODY_EXPANSION * away[seen].max())
    half = min(half, max(x, width - x, y, height - y))
    return whole(width, height) if half > max(width, height) / 2 else Square(float(x), float(y), float(2 * half))


def _pictures(path: str) -> Iterator[Array]:
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


if __name__ == "__main__":
    main()
