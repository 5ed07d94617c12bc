"""Some pictures of a clip with its people on them, evenly spread over it, however long it is."""

from fractions import Fraction
from typing import Final

import cv2

from model.skeletons import SKELETONS
from model.values import Frame
from service.contract.messages import FrameResult
from service.media.drawing import draw_people
from service.media.shape import Shape
from service.media.timestamps import MICROSECONDS

MOST: Final = 6
WIDEST: Final = 280
QUALITY: Final = 80


class Stills:
    """Takes every n-th frame, and n doubles whenever there are twice as many as wanted: memory stays the same.

    Args:
        shape: of the clip.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._every = 1
        self._count = 0
        self._taken: list[tuple[str, bytes]] = []

    def add(self, frame: Frame, result: FrameResult) -> None:
        """A frame of the clip, in order, with its result in stored pixels."""
        if self._count % self._every == 0:
            self._taken.append((_caption(result), self._drawn(frame, result)))
            if len(self._taken) == 2 * MOST:
                self._taken = self._taken[::2]
                self._every *= 2
        self._count += 1

    @property
    def all(self) -> list[tuple[str, bytes]]:
        """At most MOST: what each shows, and a JPEG."""
        step = Fraction(len(self._taken), min(MOST, len(self._taken) or 1))
        return [self._taken[int(number * step)] for number in range(min(MOST, len(self._taken)))]

    def _drawn(self, frame: Frame, result: FrameResult) -> bytes:
        rgb = draw_people(frame.rgb, self._shape.result_to_frame(result), SKELETONS[result.skeleton])
        height, width = rgb.shape[:2]
        size = min(WIDEST, width), max(1, round(height * min(WIDEST, width) / width))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return bytes(jpeg)


def _caption(result: FrameResult) -> str:
    time = "" if result.pts_us is None else f", {result.pts_us / MICROSECONDS:.2f} s"
    return f"frame {result.seq}{time}"
