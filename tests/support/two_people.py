"""Clips of two people, made of the demo clip: its one person is cut out and walks twice, once mirrored."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from model.skeletons import KINEPOSE_13
from model.values import Array, Frame
from training.evaluation.identities import TruePerson

_CLIP = Path(__file__).parents[2] / "service/demo/clip.mp4"
_SHADE = 14
"""Levels by which a person differs from the wall at least."""
_LEAST_VISIBLE = 0.3
"""Share of a person that is to be seen; with less it does not count whether they are read."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """One frame's person: the picture uint8 [H, W, 3], where in it they are bool [H, W], and joints [13, 2]."""

    rgb: Array
    mask: Array
    joints: Array


@dataclass(frozen=True, slots=True)
class Walk:
    """How the two walk through one room.

    Attributes:
        frames: of the demo clip, one after the other; it walks to the right in the first 70, then does exercises.
        start, speed: pixels by which the first is moved to the right, and how that grows a frame; the second, who is
            mirrored, is moved to the left by the same.
        first_in_front: who hides the other where they cross.
        delay: frames by which the second one is ahead in the clip.
        people: 1 leaves the second one out.
    """

    frames: range
    start: float
    speed: float
    first_in_front: bool = True
    delay: int = 0
    people: int = 2


BESIDE = Walk(range(60), start=-130, speed=-0.5)
"""They walk towards one another and do not meet."""
EXERCISES = Walk(range(70, 140), start=-150, speed=0.0)
"""They wave their arms and crouch beside one another."""
CROSSING = Walk(range(70), start=-110, speed=3.0)
"""They cross."""
CROSSING_BEHIND = Walk(range(70), start=-110, speed=3.0, first_in_front=False)
"""They cross, and the one who came first is hidden."""
SLOWLY = Walk(range(70), start=-60, speed=1.0, delay=5)
"""They cross at a third of the speed."""
ALONE = Walk(range(70), start=0.0, speed=0.0, people=1)
"""One walks."""
WALKS = {
    "alone": ALONE,
    "beside": BESIDE,
    "exercises": EXERCISES,
    "crossing": CROSSING,
    "crossing behind": CROSSING_BEHIND,
    "crossing slowly": SLOWLY,
}


def two_people(walk: Walk) -> Iterator[tuple[Frame, list[TruePerson]]]:
    """Frames and who is in them."""
    cuts, room = _cuts()
    for t, number in enumerate(walk.frames):
        shift = walk.start + walk.speed * t
        people = [_moved(cuts[number], shift), _moved(_mirrored(cuts[number + walk.delay]), -shift)][: walk.people]
        order = people[::-1] if walk.first_in_front else people
        picture = room.copy()
        for one in order:
            picture[one.mask] = one.rgb[one.mask]
        back, front = order[0], order[-1]
        is_seen = back is front or (back.mask & ~front.mask).sum() >= _LEAST_VISIBLE * back.mask.sum()
        yield Frame(picture), [_true(one, name, one is front or bool(is_seen)) for name, one in enumerate(people)]


@cache
def _cuts() -> tuple[list[_Cut], Array]:
    """Every frame's person, and the empty room."""
    truth = json.loads(_CLIP.with_suffix(".json").read_text(encoding="utf-8"))
    order = [truth["joint_names"].index(joint) for joint in KINEPOSE_13.joints]
    with av.open(str(_CLIP)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    room = np.concatenate([frames[120][:, :250], frames[0][:, 250:]], axis=1)
    cuts = [
        _Cut(rgb, _mask(rgb, room, frame["box"]), np.array(frame["joints"], np.float64)[order])
        for rgb, frame in zip(frames, truth["frames"], strict=True)
    ]
    return cuts, room


def _mask(rgb: Array, room: Array, box: list[float]) -> Array:
    """Where the picture differs from the room, without holes, inside the box."""
    differs = (np.abs(rgb.astype(np.int16) - room).max(axis=2) > _SHADE).astype(np.uint8)
    x, y, w, h = (round(value) for value in box)
    inside = np.zeros_like(differs)
    inside[max(y, 0) : y + h + 1, max(x, 0) : x + w + 1] = 1
    closed = cv2.morphologyEx(differs * inside, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    return np.asarray(cv2.drawContours(np.zeros_like(differs), [largest], -1, 1, cv2.FILLED), bool)


def _mirrored(cut: _Cut) -> _Cut:
    joints = cut.joints[list(KINEPOSE_13.mirrored())] * [-1, 1] + [cut.rgb.shape[1] - 1, 0]
    return _Cut(cut.rgb[:, ::-1], cut.mask[:, ::-1], joints)


def _moved(cut: _Cut, right: float) -> _Cut:
    """Moved by whole pixels; what leaves the picture is gone."""
    by = np.array([[1, 0, round(right)], [0, 1, 0]], np.float64)
    height, width = cut.mask.shape
    mask = cv2.warpAffine(cut.mask.astype(np.uint8), by, (width, height)).astype(bool)
    return _Cut(cv2.warpAffine(cut.rgb, by, (width, height)), mask, cut.joints + np.array([round(right), 0]))


def _true(cut: _Cut, identity: int, visible: bool) -> TruePerson:
    w, h = np.ptp(cut.joints, axis=0)
    return TruePerson(identity, cut.joints, float(w * h), visible)
