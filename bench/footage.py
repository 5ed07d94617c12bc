"""Clips as the frames that a camera would send: JPEG pictures, played forth and back so that motion never jumps."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2

from kinepose_client import Picture
from model.values import Frame, Region
from service.demo.truth import load_truth
from service.media.video import open_video

JPEG_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)
MOST_FRAMES = 300
"""Of a longer clip only the beginning is held in memory."""


@dataclass(frozen=True, slots=True)
class Footage:
    """The pictures of one clip.

    Attributes:
        name: of the file.
        jpegs: at least one.
        region: the person's box in the first picture, pixels; None lets the server look for them.
    """

    name: str
    jpegs: tuple[bytes, ...]
    region: Region | None

    def pictures(self, count: int, frames_per_s: float, deadline_ms: int | None = None) -> list[Picture]:
        """`count` frames for one session; the first one carries the region."""
        return [
            Picture(
                self.jpegs[forth_and_back(number, len(self.jpegs))],
                pts_us=round(number * 1e6 / frames_per_s),
                region=self.region if number == 0 else None,
                deadline_ms=deadline_ms,
            )
            for number in range(count)
        ]


def forth_and_back(number: int, length: int) -> int:
    """0, 1, ..., length - 1, length - 2, ..., 0, 1, ...: the place of frame `number` in a clip of `length`."""
    if length == 1:
        return 0
    place = number % (2 * length - 2)
    return min(place, 2 * length - 2 - place)


def read_footage(path: Path, region: Region | None = None) -> Footage:
    """The first MOST_FRAMES frames of a clip.

    Args:
        region: the person's box in the first frame; None takes it from the clip's own JSON where there is one.

    Raises:
        KineposeError, OSError: the clip does not do (see `open_video`).
        ValueError: the JSON beside it is of another form.
    """
    if region is None and (truth := load_truth(path)) is not None:
        region = Region(*(float(side) for side in truth.boxes[0]))
    with open_video(path) as video:
        return Footage(path.name, tuple(_jpeg(frame) for frame in islice(video, MOST_FRAMES)), region)


def _jpeg(frame: Frame) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), JPEG_QUALITY)
    assert done
    return data.tobytes()
