"""How much is read of a clip. What counts is what comes out of the file; a header is not believed."""

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from service.errors import ClipTooLong, ImageTooLarge
from service.media.opening import clock_jumps, declared_length_us, open_container
from service.media.timestamps import MICROSECONDS, Timestamps

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


def check_declared(path: Path, container: InputContainer, stream: VideoStream, limits: ClipLimits) -> None:
    """Refuse a clip that is too long before anything is decoded.

    Where the header says so, the packets of the file are looked through, up to the limit: it may be wrong.

    Raises:
        ClipTooLong: the packets say it too.
    """
    length_us = declared_length_us(container, stream) or 0
    if length_us <= limits.seconds * MICROSECONDS and stream.frames <= limits.frames:
        return
    with open_container(path, limits.pixels) as again:
        packets = again.streams[stream.index]
        clock = Timestamps(packets.time_base or Fraction(1, MICROSECONDS), stream.average_rate, clock_jumps(again))
        try:
            for number, packet in enumerate(packet for packet in again.demux(packets) if packet.size):
                limits.check_place(clock.next_us(packet.dts), number)
        except av.FFmpegError:
            return  # It breaks off before the limit: reading it will tell.
