"""Value types that travel between the steps of a frame. All are immutable, but for what a frame has been halved to;
checks say expected and got.
Those that travel to clients are of `kinepose_client.values`.

Pixel convention, everywhere in Kinepose: integer coordinates are pixel centres. x = 0 is the centre of the
leftmost pixel, so a picture W pixels wide spans [-0.5, W - 0.5].
"""

import math
from dataclasses import dataclass, field

import numpy as np

from kinepose_client.values import Array, LostTrack, Person, Pose, Region, RegionSource

__all__ = [
    "STRIDE",
    "Array",
    "Frame",
    "FrameTransform",
    "LostTrack",
    "Person",
    "Pose",
    "Region",
    "RegionSource",
]

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
