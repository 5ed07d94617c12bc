"""Blurred frames: PCK with every frame smeared along a line, of the recurrent reader and of one without memory."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from model.pck import person_size
from model.tracker import Tracker
from model.values import Array
from training.datasets.person import Clip
from training.evaluation.metrics import MetricOptions
from training.evaluation.run import READERS, Reader, evaluate
from training.samples.augment import line_kernel

LENGTHS = (0.0, 0.04, 0.08, 0.12)
"""Lengths of the smear, share of the person's size."""


def blur_curves(
    tracker: Tracker, clips: Sequence[Clip], stride: int = 2, options: MetricOptions | None = None
) -> dict[Reader, list[float]]:
    """Reader -> PCK by person size at each of `LENGTHS`, over every stride-th clip, true boxes."""
    return {
        reader: [
            evaluate(tracker, [blurred(c, n) for c in clips[::stride]], "box", reader, options).person.mean
            for n in LENGTHS
        ]
        for reader in READERS
    }


def blurred(clip: Clip, length: float) -> Clip:
    """The clip with each frame smeared by that share of the person's size, in a direction drawn for each frame.

    The directions depend on the clip's name and the frame's number alone.
    """
    if not length:
        return clip
    frames = [_smear(clip, t, length) for t in range(len(clip))]
    return replace(clip, frames=np.stack(frames))


def _smear(clip: Clip, t: int, length: float) -> Array:
    rng = np.random.default_rng([zlib.crc32(clip.name.encode()), t])
    pixels = round(length * float(person_size(clip.boxes[t : t + 1])[0])) | 1
    return np.asarray(cv2.filter2D(clip.frames[t], -1, line_kernel(pixels, float(rng.uniform(0, 180)))))
