"""A person made of dots, and an engine that sees it: tracking can be tested without a trained network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from model.config import KIMNET_LITE
from model.coords import input_to_heatmap
from model.engines.base import ModelInput, ModelOutput
from model.finder.decode import Person17
from model.values import Array, Frame
from tests.support.blobs import blobs

JOINTS = KIMNET_LITE.joints
_ARMS = [(50, 5), (65, 20), (35, 20), (75, 40), (25, 40), (80, 58), (20, 58)]
_LEGS = [(60, 60), (40, 60), (62, 80), (38, 80), (63, 98), (37, 98)]
_POSE = np.array([*_ARMS, *_LEGS], np.float64)
"""Joints in percent of the person's height."""


def person(x: float, y: float, height: float) -> Array:
    """Joints [K, 2], frame pixels, of a person whose joints' box has its top left near (x, y)."""
    joints: Array = _POSE * (height / 100) + np.array([x, y])
    return joints


def picture(joints: Array | None, width: int = 320, height: int = 240, radius: float = 3.5) -> Frame:
    """A black frame with a dot a joint; its red tells which joint it is."""
    rgb = np.zeros((height, width, 3), np.uint8)
    if joints is None:
        return Frame(rgb)
    rows, columns = np.mgrid[:height, :width]
    for k, (x, y) in enumerate(joints):
        near = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        rgb[near] = (_level(k), 255, 0)
    return Frame(rgb)


def _level(joint: int) -> int:
    return 30 + 16 * joint


@dataclass
class DotEngine:
    """Puts a blob where a joint's dot is in the crop; remembers what it was given."""

    config = KIMNET_LITE
    device = "cpu"
    signature = "dots"
    parallel = 1
    seen: list[ModelInput] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine."""
        self.seen += inputs
        self.batches.append(len(inputs))
        return [self._read(item) for item in inputs]

    def _read(self, item: ModelInput) -> ModelOutput:
        m = np.stack([self._map(item.image, k) for k in range(JOINTS)])
        return ModelOutput(m, m * 2, m, float(m.max() > 0.5))

    def _map(self, image: Array, joint: int) -> Array:
        rows, columns = np.nonzero(_dots(image, joint))
        size = self.config.heatmap_size
        if not len(rows):
            return np.zeros((size, size), np.float32)
        return blobs(input_to_heatmap(np.array([columns.mean(), rows.mean()]), 4), size)


class DotFinder:
    """A Finder of people made of dots who stand beside one another; remembers how often it looked."""

    digest = "dots"
    size = 320

    def __init__(self) -> None:
        self.looks = 0

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """See Finder."""
        self.looks += len(pictures)
        return [[_found(picture, part) for part in _apart(picture)] for picture in pictures]


_GAP = 12
"""Columns without a dot that lie between two people."""


def _apart(picture: Array) -> list[slice]:
    """Columns of each person."""
    columns = np.nonzero((picture[..., 1] > 90).any(axis=0))[0]
    parts = np.split(columns, np.nonzero(np.diff(columns) > _GAP)[0] + 1)
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def _found(picture: Array, columns: slice) -> Person17:
    dots = [np.nonzero(_dots(picture[:, columns], joint)) for joint in range(JOINTS)]
    points = [(x.mean() + columns.start, y.mean()) if len(x) else (columns.start, 0.0) for y, x in dots]
    xy = (np.array([points[0]] * 5 + points[1:]) + 0.5) / picture.shape[0]  # nose, eyes and ears lie on the head
    box = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
    return Person17(box, xy, np.full(len(xy), 0.9, np.float32), 0.9)


def _dots(image: Array, joint: int) -> Array:
    """Where the joint's dots are. Edges blend with black, which keeps the ratio of red to green."""
    red, green = image[..., 0].astype(float), image[..., 1].astype(float)
    dots: Array = (green > 90) & (abs(red / np.maximum(green, 1) * 255 - _level(joint)) < 7)
    return dots
