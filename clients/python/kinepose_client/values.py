"""Values of an answer, in pixels of the upright original picture. All are immutable; checks say expected and got.

Integer coordinates are pixel centres: x = 0 is the centre of the leftmost pixel, so a picture W pixels wide spans
[-0.5, W - 0.5].
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Region:
    """A person's own box in frame pixels, without margin.

    Attributes:
        x, y: left and top edge of the box; the box spans [x, x + w] in pixel-centre coordinates.
        w, h: width and height, above 0.
    """

    x: float
    y: float
    w: float
    h: float

    def __post_init__(self) -> None:
        values = (self.x, self.y, self.w, self.h)
        if not all(map(math.isfinite, values)):
            raise ValueError(f"Region: expected finite numbers, got {values}")
        if self.w <= 0 or self.h <= 0:
            raise ValueError(f"Region: expected width and height above 0, got {self.w} x {self.h}")

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, frame pixels."""
        return self.x + self.w / 2, self.y + self.h / 2

    def overlaps(self, width: int, height: int) -> bool:
        """True where some part of the box lies inside a picture of this size."""
        return self.x < width - 0.5 and self.y < height - 0.5 and self.x + self.w > -0.5 and self.y + self.h > -0.5


class RegionSource(StrEnum):
    """Where the region that a frame was read with comes from."""

    GIVEN = "given"
    """By the client."""
    TRACKED = "tracked"
    """From the joints of the frame before."""
    SEARCHED = "searched"
    """Looked for in the whole frame. After frame 0 the person may be another one than before."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Joints of one person in one frame.

    Attributes:
        xy_px: float32 [K, 2], frame pixels. A joint that was not found keeps the best guess.
        score: float32 [K], in [0, 1]: height of the joint's heatmap peak.
    """

    xy_px: Array
    score: Array

    def __post_init__(self) -> None:
        if self.xy_px.ndim != 2 or self.xy_px.shape[1] != 2 or self.score.shape != self.xy_px.shape[:1]:
            raise ValueError(f"Pose: expected [K, 2] and [K], got {self.xy_px.shape} and {self.score.shape}")

    def __repr__(self) -> str:
        return f"Pose(K={len(self.score)}, mean_score={float(self.score.mean()):.2f})"


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person as they were read in one frame.

    Attributes:
        track_id: their number, the same from frame to frame; counts from 1 and is never used again in a session.
        person_score: how probable it is that somebody is in the region, 0 to 1.
        region: the box that they were read with, frame pixels.
        region_source: where it comes from.
        pose: the joints.
    """

    track_id: int
    person_score: float
    region: Region
    region_source: RegionSource
    pose: Pose

    def __post_init__(self) -> None:
        if not 0 <= self.person_score <= 1:
            raise ValueError(f"Person.person_score: expected 0 to 1, got {self.person_score}")


@dataclass(frozen=True, slots=True)
class LostTrack:
    """Somebody who is not seen now and may come back under the same number.

    Attributes:
        track_id: their number.
        region: the box that they were last seen in, frame pixels.
    """

    track_id: int
    region: Region


def pose_of(rows: Iterable[tuple[float, float, float]]) -> Pose:
    """Joints from (x, y, score) of each; an iterable of K."""
    table = np.asarray(list(rows), np.float32).reshape(-1, 3)  # [K, 3]
    return Pose(xy_px=table[:, :2], score=table[:, 2])
