"""How much is read of a clip. What counts is what comes out of the file; a header is not believed."""

import math
import sys
from dataclasses import dataclass

from service.errors import ClipTooLong, ImageTooLarge
from service.media.timestamps import MICROSECONDS

MAX_SECONDS = 3600.0
MAX_FRAMES = 432_000
"""An hour at 120 frames a second."""
MAX_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """Limits of a clip, each counted as it is decoded.

    Attributes:
        seconds: from its first picture on; may be math.inf.
        frames: pictures.
        pixels: of one picture, as it is stored and with square pixels.
    """

    seconds: float = MAX_SECONDS
    frames: int = MAX_FRAMES
    pixels: int = MAX_PIXELS

    def check_place(self, pts_us: int, frames: int) -> None:
        """ClipTooLong where a picture at this time, with so many before it, is beyond the limits."""
        if pts_us > self.seconds * MICROSECONDS:
            seconds = pts_us / MICROSECONDS
            raise ClipTooLong(f"the clip runs for {seconds:.1f} s or more; {self.seconds:g} s are allowed")
        if frames >= self.frames:
            raise ClipTooLong(f"the clip has more pictures than the {self.frames} that are allowed")

    def check_pixels(self, width: int, height: int) -> None:
        """ImageTooLarge where a picture of this size has more pixels than are allowed."""
        if width * height > self.pixels:
            raise ImageTooLarge(f"the clip's picture is {width} x {height} pixels, more than {self.pixels} in all")


NO_LIMIT_ON_TIME = ClipLimits(math.inf, sys.maxsize)
"""For one's own clips on one's own machine."""
