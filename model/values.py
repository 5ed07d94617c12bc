"""Value types that travel between the steps of a frame. All are immutable, but for what a frame has been halved to;
checks say expected and got.

Pixel convention, everywhere in Kinepose: integer coordinates are pixel centres. x = 0 is the centre of the
leftmost pixel, so a picture W pixels wide spans [-0.5, W - 0.5].
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STRIDE = 4
"""Input pixels a heatmap cell, of every network here."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, upright (any rotation already applied).

    Attributes:
        rgb: uint8 [H, W, 3], red first.
        pts_us: presentation time in the clip's own time, microseconds; None where the source has none.
        rotation_applied: degrees clockwise by which the stored picture was turned: 0, 90, 180 or 270.
        halves: what `coords.halved` has made of it.
    """

    rgb: Array
    pts_us: int | None = None
    rotation_applied: int = 0
    halves: list[Array] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(f"Frame.rgb: expected uint8 [H, W, 3], got {self.rgb.dtype} {list(self.rgb.shape)}")
        if self.rotation_applied not in (0, 90, 180, 270):
            raise ValueError(f"Frame.rotation_applied: expected 0, 90, 180 or 270, got {self.rotation_applied}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.rgb.shape[1]), int(self.rgb.shape[0])

    def __repr__(self) -> str:
        return f"Frame(rgb=uint8{list(self.rgb.shape)}, pts_us={self.pts_us}, rotation={self.rotation_applied})"


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


@dataclass(frozen=True, slots=True)
class FrameTransform:
    """The square of the frame that the network sees, and how: takes coordinates from frame to input and back.

    Attributes:
        center_x, center_y: middle of the square, frame pixels.
        side: its side, frame pixels, above 0.
        input_size: side of the network's input, pixels.
        stride: input pixels a heatmap cell.
        rotation: radians by which the picture turns about the centre on its way in; quarter turns where served.
        flip: mirrored left-right on its way in (training only).
    """

    center_x: float
    center_y: float
    side: float
    input_size: int
    stride: int = STRIDE
    rotation: float = 0.0
    flip: bool = False

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.center_x, self.center_y, self.side, self.rotation))):
            raise ValueError(f"FrameTransform: expected finite numbers, got {self}")
        if self.side <= 0:
            raise ValueError(f"FrameTransform.side: expected a number above 0, got {self.side}")
        if min(self.input_size, self.stride) < 1:
            raise ValueError(f"FrameTransform: expected sizes of 1 and more, got {self.input_size} and {self.stride}")
        if self.input_size % self.stride:
            raise ValueError(f"FrameTransform: input {self.input_size} is not a multiple of stride {self.stride}")

    @property
    def heatmap_size(self) -> int:
        """Cells along one side of the heatmaps."""
        return self.input_size // self.stride


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
