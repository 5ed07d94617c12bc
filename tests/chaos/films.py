"""What the streams show: the bundled clip, each from another moment, cut out elsewhere, in another light."""

import json
import random
from dataclasses import dataclass, field

import cv2
import numpy as np

from kinepose_client import Picture
from model.values import Array, Region
from service.demo.__main__ import BUNDLED_CLIP
from service.media.video import open_video

PART = 440
"""Side of the square that is cut out, pixels of the clip: the person never leaves it."""
SHRINK = 0.6
QUALITY = 85
FRAME_US = 40_000
MARGIN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The bundled clip: RGB uint8 [T, H, W, 3] and the person's box in each frame, float64 [T, 4] as x, y, w, h."""

    frames: Array
    boxes: Array


def load_clip() -> Clip:
    """Decode it."""
    with open_video(BUNDLED_CLIP) as video:
        frames = np.stack([frame.rgb for frame in video])
    found = json.loads(BUNDLED_CLIP.with_suffix(".json").read_text(encoding="utf-8"))
    return Clip(frames, np.array([frame["box"] for frame in found["frames"]], np.float64))


@dataclass(slots=True, eq=False)
class Film:
    """The pictures of one stream, made as they are asked for; the same number gives the same bytes.

    Attributes:
        clip: what it is cut from.
        number: of the stream; another one gives another film.
        seed: of the run.
    """

    clip: Clip
    number: int
    seed: int
    _pictures: dict[int, Picture] = field(default_factory=dict)

    def picture(self, seq: int) -> Picture:
        """The frame to send as `seq`; the person's region comes with the first one."""
        if seq not in self._pictures:
            self._pictures[seq] = self._make(seq)
        return self._pictures[seq]

    def _make(self, seq: int) -> Picture:
        dice = random.Random(f"{self.seed}/{self.number}")
        start = dice.randrange(len(self.clip.frames))
        gain, lift = dice.uniform(0.8, 1.1), dice.uniform(-15, 15)
        left, top = self._corner(dice)
        rgb = self.clip.frames[self._turned(start + seq), top : top + PART, left : left + PART]
        rgb = cv2.resize(rgb, None, fx=SHRINK, fy=SHRINK, interpolation=cv2.INTER_AREA)
        rgb = np.clip(rgb * gain + lift, 0, 255).astype(np.uint8)
        region = self._region(start, left, top) if seq == 0 else None
        # Times differ from stream to stream: an answer that went astray shows.
        return Picture(_jpeg(rgb), pts_us=seq * FRAME_US + self.number, region=region, seq=seq)

    def _turned(self, index: int) -> int:
        """The clip forth and back without end: the person moves on and never jumps."""
        last = len(self.clip.frames) - 1
        place = index % (2 * last)
        return min(place, 2 * last - place)

    def _corner(self, dice: random.Random) -> tuple[int, int]:
        """Left and top of a part that the person is in all the time."""
        height, width = self.clip.frames.shape[1:3]
        low = self.clip.boxes[:, :2].min(axis=0) - MARGIN
        high = (self.clip.boxes[:, :2] + self.clip.boxes[:, 2:]).max(axis=0) + MARGIN
        first = np.maximum(high - PART, 0).astype(int)
        last = np.minimum(low, (width - PART, height - PART)).astype(int)
        return dice.randint(int(first[0]), int(last[0])), dice.randint(int(first[1]), int(last[1]))

    def _region(self, start: int, left: int, top: int) -> Region:
        x, y, w, h = self.clip.boxes[self._turned(start)].tolist()
        return Region((x - left) * SHRINK, (y - top) * SHRINK, w * SHRINK, h * SHRINK)


def _jpeg(rgb: Array) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    assert done
    return data.tobytes()
