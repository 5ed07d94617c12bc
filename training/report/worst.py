"""The worst clips to look at: truth and prediction as stick figures, over the pictures where the reader has them."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import simplejpeg

from model.values import Array
from training.report.content import Content, WorstClip

_LONGEST_SIDE = 480  # pixels of an embedded picture: the page must stay light
_QUALITY = 75


class PictureSource(Protocol):
    """Where the pictures of the clips come from."""

    def __call__(self, clip: str, frame: int) -> Array:
        """The picture uint8 [H, W, 3], RGB, of frame number `frame` (0-based) of a clip."""


@dataclass(frozen=True, slots=True)
class Bone:
    """A line between two joints in pixels; side is "left", "right" or "middle", the person's own."""

    x1: float
    y1: float
    x2: float
    y2: float
    side: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A joint in pixels."""

    x: float
    y: float
    side: str


@dataclass(frozen=True, slots=True)
class Stick:
    """A person drawn as lines and dots; role is "truth" or "predicted"."""

    role: str
    bones: list[Bone]
    dots: list[Dot]


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame to look at: its number, size in pixels, people, and a data URI of its picture or "" for none."""

    frame: int
    width: int
    height: int
    sticks: list[Stick]
    picture: str


def shots(content: Content, clip: WorstClip, pictures: PictureSource | None = None) -> list[Shot]:
    """The frames of a clip, ready to draw; joints that are not finite are left out."""
    width, height = clip.size
    return [
        Shot(
            frame,
            width,
            height,
            [_stick("truth", truth, content), _stick("predicted", predicted, content)],
            data_uri(pictures(clip.name, frame)) if pictures else "",
        )
        for frame, truth, predicted in zip(clip.frames, clip.truth, clip.predicted, strict=True)
    ]


def data_uri(picture: Array) -> str:
    """A picture uint8 [H, W, 3], RGB, as a small JPEG inside an address."""
    shrink = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
    if shrink < 1:
        size = round(picture.shape[1] * shrink), round(picture.shape[0] * shrink)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    jpeg = simplejpeg.encode_jpeg(picture.copy(order="C"), quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _stick(role: str, joints: Sequence[Sequence[float]], content: Content) -> Stick:
    seen = {k: (round(xy[0], 1), round(xy[1], 1)) for k, xy in enumerate(joints) if all(map(math.isfinite, xy))}
    sides = [_side(joint) for joint in content.joints]
    bones = [
        Bone(*seen[a], *seen[b], _bone_side(sides[a], sides[b])) for a, b in content.bones if {a, b} <= seen.keys()
    ]
    return Stick(role, bones, [Dot(x, y, sides[k]) for k, (x, y) in seen.items()])


def _side(joint: str) -> str:
    side = joint.partition("_")[0]
    return side if side in ("left", "right") else "middle"


def _bone_side(start: str, end: str) -> str:
    """A bone from the head belongs to the other end's side; one across the body to none."""
    sides = {start, end} - {"middle"}
    return sides.pop() if len(sides) == 1 else "middle"
