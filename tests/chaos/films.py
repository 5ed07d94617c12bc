"""What the streams show: the bundled clip, each from another moment, cut out elsewhere, in another light; where several
people are followed, so many such pictures side by side.
"""

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
COLUMNS = 2
"""People beside one another; more stand below them."""


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
        people: who are in it. One comes with the region in the first frame, several are looked for.
    """

    clip: Clip
    number: int
    seed: int
    people: int = 1
    _pictures: dict[int, Picture] = field(default_factory=dict)

    def picture(self, seq: int) -> Picture:
        """The frame to send as `seq`."""
        if seq not in self._pictures:
            self._pictures[seq] = self._make(seq)
        return self._pictures[seq]

    def _make(self, seq: int) -> Picture:
        parts = [Part.of(self.clip, f"{self.seed}/{self.number}{f'/{n}' if n else ''}") for n in range(self.people)]
        region = parts[0].region() if seq == 0 and self.people == 1 else None
        # Times differ from stream to stream: an answer that went astray shows.
        pts_us = seq * FRAME_US + self.number
        return Picture(_jpeg(_in_rows([part.picture(seq) for part in parts])), pts_us=pts_us, region=region, seq=seq)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One person: from which moment on, where they are cut out, pixels of the clip, and in what light."""

    clip: Clip
    start: int
    gain: float
    lift: float
    corner: tuple[int, int]

    @classmethod
    def of(cls, clip: Clip, seed: str) -> "Part":
        """Of this seed."""
        dice = random.Random(seed)
        start = dice.randrange(len(clip.frames))
        return cls(clip, start, dice.uniform(0.8, 1.1), dice.uniform(-15, 15), _corner(clip, dice))

    def picture(self, seq: int) -> Array:
        """Frame `seq`, uint8 [S, S, 3]."""
        left, top = self.corner
        rgb = self.clip.frames[self._turned(self.start + seq), top : top + PART, left : left + PART]
        rgb = cv2.resize(rgb, None, fx=SHRINK, fy=SHRINK, interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(rgb * self.gain + self.lift, 0, 255).astype(np.uint8))

    def region(self) -> Region:
        """The person's box in the first frame."""
        x, y, w, h = self.clip.boxes[self._turned(self.start)].tolist()
        left, top = self.corner
        return Region((x - left) * SHRINK, (y - top) * SHRINK, w * SHRINK, h * SHRINK)

    def _turned(self, index: int) -> int:
        """The clip forth and back without end: the person moves on and never jumps."""
        last = len(self.clip.frames) - 1
        place = index % (2 * last)
        return min(place, 2 * last - place)


def _corner(clip: Clip, dice: random.Random) -> tuple[int, int]:
    """Left and top of a part that the person is in all the time."""
    height, width = clip.frames.shape[1:3]
    low = clip.boxes[:, :2].min(axis=0) - MARGIN
    high = (clip.boxes[:, :2] + clip.boxes[:, 2:]).max(axis=0) + MARGIN
    first = np.maximum(high - PART, 0).astype(int)
    last = np.minimum(low, (width - PART, height - PART)).astype(int)
    return dice.randint(int(first[0]), int(last[0])), dice.randint(int(first[1]), int(last[1]))


def _in_rows(pictures: list[Array]) -> Array:
    """All of them in one picture, black where a row is not full."""
    columns = min(COLUMNS, len(pictures))
    missing = [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    whole = [*pictures, *missing]
    return np.vstack([np.hstack(whole[n : n + columns]) for n in range(0, len(whole), columns)])


def _jpeg(rgb: Array) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    assert done
    return data.tobytes()
