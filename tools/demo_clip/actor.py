"""From a stance to the body's surface and joints in the world."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.skeletons import KINEPOSE_13
from tools.demo_clip.body import Body
from tools.demo_clip.motion import DURATION, Arm, Foot, Stance, stance_at
from tools.demo_clip.skeleton import (
    Posture,
    Rig,
    bend_leg,
    limb_rotation,
    pose_rig,
    rotation,
    skin,
)

Array = NDArray[np.float64]

JOINTS = KINEPOSE_13.joints
_BONES = {"shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist"}
_BONES |= {"hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot"}
SIDES = ("L", "R")
SOLE = 0.012  # thickness of the shoe under the skin, m


class Actor:
    """A body that plays the choreography."""

    def __init__(self, body: Body, frames_per_second: int) -> None:
        """Find the height of the pelvis for the whole time first, so that it can be smoothed over time."""
        self._body = body
        self._rate = frames_per_second
        self._floor = float(body.skin[:, 2].min()) - SOLE
        self._heights = self._pelvis_heights()

    def perform(self, frame: int) -> tuple[Array, Array]:
        """Frame number to (surface [V, 3], joints [13, 3]) in world metres, joints in the order of JOINTS."""
        posture = self._posture(stance_at(frame / self._rate), self._heights[frame])
        return skin(self._body.rig, posture, self._body.dressed), joints_of(self._body.rig, posture)

    def _pelvis_heights(self) -> Array:
        """[frames]: as high as both legs allow, smoothed."""
        times = np.arange(round(DURATION * self._rate)) / self._rate
        raw = np.array([self._highest(stance_at(float(t))) for t in times])
        span = np.arange(-5, 6)
        kernel = np.exp(-0.5 * (span / 2.2) ** 2)
        smooth = np.convolve(np.pad(raw, 5, mode="edge"), kernel / kernel.sum(), mode="valid")
        drops = np.array([stance_at(float(t)).drop for t in times])
        heights: Array = smooth - drops
        return heights

    def _highest(self, stance: Stance) -> float:
        """The root's height at which the more stretched leg is almost straight."""
        rig = self._body.rig
        level = []
        for side, foot in zip(SIDES, stance.feet, strict=True):
            ankle = self._ankle(foot, side)
            offset = rotation("z", stance.heading) @ (rig.head(f"upperleg01.{side}") - rig.heads[0])
            flat = ankle[:2] - stance.pelvis - offset[:2]
            length = 0.985 * sum(_leg_lengths(rig, side))
            level.append(ankle[2] + np.sqrt(max(length**2 - float(flat @ flat), 0.01)) - offset[2])
        return float(min(level))

    def _ankle(self, foot: Foot, side: str) -> Array:
        """[3]: the ankle of a foot that turns about its ball."""
        rig = self._body.rig
        ball = rig.head(f"toe1-1.{side}") * np.array([0.0, 1.0, 1.0])
        ball[0] = rig.head(f"foot.{side}")[0]
        # With the toes up the foot stands on its heel, which lies behind the ball: the ball goes up with it.
        height = ball[2] - self._floor + foot.lift + 0.21 * np.sin(max(-foot.pitch, 0.0))
        turned: Array = _foot_rotation(foot) @ (rig.head(f"foot.{side}") - ball)
        return np.array([foot.place[0], foot.place[1], height]) + turned

    def _posture(self, stance: Stance, height: float) -> Posture:
        rig = self._body.rig
        root = np.array([stance.pelvis[0], stance.pelvis[1], height])
        turns = _trunk(stance)
        for side, arm in zip(SIDES, stance.arms, strict=True):
            turns |= _arm_turns(rig, turns["spine01"], arm, side)
        for side, foot in zip(SIDES, stance.feet, strict=True):
            hip = root + turns["root"] @ (rig.head(f"upperleg01.{side}") - rig.heads[0])
            turns |= _leg_turns(rig, hip, self._ankle(foot, side), foot, stance.heading, side)
        return pose_rig(rig, root, turns)


def joints_of(rig: Rig, posture: Posture) -> Array:
    """[13, 3]: JOINTS in the world. The head's point is the middle of the face, on the bridge of the nose."""
    eyes = (rig.head("eye.L") + rig.head("eye.R")) / 2.0
    face = posture.carry(rig, "head", eyes + np.array([0.0, -0.012, -0.022]))
    points = [face]
    for name in JOINTS[1:]:
        side, _, joint = name.partition("_")
        points.append(posture.heads[rig.names.index(f"{_BONES[joint]}.{side[0].upper()}")])
    return np.stack(points)


def _leg_lengths(rig: Rig, side: str) -> tuple[float, float]:
    hip, knee, ankle = (rig.head(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01", "foot"))
    return float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))


def _foot_rotation(foot: Foot) -> Array:
    return rotation("z", foot.heading) @ rotation("x", foot.pitch)


def _trunk(stance: Stance) -> dict[str, Array]:
    """The pelvis takes a part of the lean and the spine the rest, joint by joint."""
    pelvis = rotation("z", stance.heading) @ rotation("x", 0.45 * stance.lean) @ rotation("y", stance.sway)
    turns = {"root": pelvis}
    for k, bone in enumerate(("spine04", "spine03", "spine02", "spine01"), start=1):
        share = k / 4.0
        bend = rotation("z", share * stance.chest_turn) @ rotation("x", share * 0.55 * stance.lean)
        turns[bone] = pelvis @ bend
    chest = turns["spine01"]
    for bone, share in (("neck01", 0.3), ("neck02", 0.6), ("head", 1.0)):
        turns[bone] = chest @ rotation("z", share * stance.look) @ rotation("x", share * stance.nod)
    return turns


def _arm_turns(rig: Rig, chest: Array, arm: Arm, side: str) -> dict[str, Array]:
    sign = 1.0 if side == "L" else -1.0
    shoulder, elbow, wrist = (rig.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
    hinge_rest = np.cross(elbow - shoulder, wrist - elbow)
    swing = rotation("x", -arm.forward) @ rotation("y", -sign * arm.side)
    upper = swing @ np.array([0.0, 0.0, -1.0])
    # The elbow folds forward when the arm hangs, upward and inward when it is raised.
    hinge = swing @ rotation("z", -sign * 0.35) @ np.array([-1.0, 0.0, 0.0])
    fore = upper * np.cos(arm.elbow) + np.cross(hinge, upper) * np.sin(arm.elbow)
    lifted = max(arm.side - 0.5, 0.0) + 0.35 * max(arm.forward - 0.5, 0.0)
    girdle = chest @ rotation("y", -sign * 0.20 * lifted)
    return {
        f"clavicle.{side}": girdle,
        f"upperarm01.{side}": chest @ limb_rotation((elbow - shoulder, hinge_rest), (upper, hinge)),
        f"lowerarm01.{side}": chest @ limb_rotation((wrist - elbow, hinge_rest), (fore, hinge)),
    }


def _leg_turns(rig: Rig, hip: Array, ankle: Array, foot: Foot, heading: float, side: str) -> dict[str, Array]:
    hip0, knee0, ankle0 = (rig.head(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01", "foot"))
    left = np.array([1.0, 0.0, 0.0])
    hinge = rotation("z", 0.35 * heading + 0.65 * foot.heading) @ left
    thigh, shin = bend_leg(hip, ankle, _leg_lengths(rig, side), hinge)
    toes = rotation("z", foot.heading) @ rotation("x", min(foot.pitch, 0.0) + 0.15 * max(foot.pitch, 0.0))
    turns = {
        f"upperleg01.{side}": limb_rotation((knee0 - hip0, left), (thigh, hinge)),
        f"lowerleg01.{side}": limb_rotation((ankle0 - knee0, left), (shin, hinge)),
        f"foot.{side}": _foot_rotation(foot),
    }
    return turns | {f"toe{k}-1.{side}": toes for k in range(1, 6)}
