"""What a finder is and what it finds, without its network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model.coords import input_to_frame
from model.finder.decode import Person17
from model.values import Array, FrameTransform, Region

LEAST_SCORE = 0.15
"""Weaker sightings are nobody. Low: whether somebody is there says the network's own presence."""

_MIN_SIDE = 4.0

_BODY = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
"""Shoulders to ankles among COCO's joints: in the order of `kinepose13`, whose head comes before them."""
_EARS = (3, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Somebody in a frame.

    Attributes:
        region: their box, frame pixels; it ends at the edge of the window that they were found in.
        xy: float64 [13, 2], joints in the order of `kinepose13`, frame pixels; rough.
        score: 0..1; not calibrated.
    """

    region: Region
    xy: Array
    score: float


class Finder(Protocol):
    """Finds people in pictures. `find` blocks and may be called from one thread at a time."""

    digest: str
    """Of the weights and of all else that its numbers depend on."""

    size: int
    """Side of the pictures that it reads, pixels."""

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """People of each picture uint8 [size, size, 3], RGB, the clearest first.

        Raises:
            EngineError: the device failed.
        """
        ...


def to_frame(person: Person17, window: FrameTransform) -> Found:
    """A person of a window, in frame pixels."""

    def points(shares: Array) -> Array:
        return input_to_frame(shares * window.input_size - 0.5, window)

    joints = points(person.xy)
    xy = np.concatenate([joints[_EARS, :].mean(axis=0, keepdims=True), joints[_BODY, :]])
    corners = points(person.box.reshape(2, 2))
    low, high = corners.min(axis=0), corners.max(axis=0)  # a turned window swaps them
    w, h = np.maximum(high - low, _MIN_SIDE)
    return Found(Region(float(low[0]), float(low[1]), float(w), float(h)), xy, person.score)
