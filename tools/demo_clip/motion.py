"""The choreography: the person walks in, stops, lifts both arms sideways overhead, squats and stands up.

Everything is a function of time in seconds. Angles are radians. The person faces the camera (-y) at heading 0;
a positive heading turns the person to the picture's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DURATION = 5.0
START = np.array([-1.25, 1.20])
STOP = np.array([0.12, -0.10])
WALK_HEADING = float(np.arctan2(STOP[0] - START[0], START[1] - STOP[1]))
STAND_HEADING = 0.30
SPEED = 1.10  # m/s, an easy walk
STANCE = 0.17  # half the distance between the feet when standing, m
GAIT = 0.075  # half the distance between the tracks of the feet when walking, m
TOES_OUT = 0.22
FOOT_LIFT = 0.085
SQUAT_DEPTH = 0.36


@dataclass(frozen=True)
class Swing:
    """One flight of a foot: it leaves and lands at these times, and lands at this place with this heading."""

    leaves: float
    lands: float
    place: tuple[float, float]
    heading: float


@dataclass(frozen=True)
class Foot:
    """place [2]: the ball of the foot on the floor plan.  lift: height of the ball above its place when flat.

    pitch: positive with the heel up.  heading: where the toes point.
    """

    place: Array
    lift: float
    pitch: float
    heading: float


@dataclass(frozen=True)
class Arm:
    """forward and side: the upper arm's swing from hanging down.  elbow: its bend, 0 is straight."""

    forward: float
    side: float
    elbow: float


@dataclass(frozen=True)
class Stance:
    """All of one moment: floor place [2] and drop of the pelvis, headings, leans, feet, arms (left, right)."""

    pelvis: Array
    drop: float
    heading: float
    chest_turn: float
    lean: float
    sway: float
    look: float
    nod: float
    feet: tuple[Foot, Foot]
    arms: tuple[Arm, Arm]


def ease(time: float, start: float, end: float) -> float:
    """0 before `start`, 1 after `end`, a smooth S between (zero speed and acceleration at both ends)."""
    u = float(np.clip((time - start) / (end - start), 0.0, 1.0))
    return u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)


def travelled(time: float) -> float:
    """Metres of the path walked: even speed, then braking, then none."""
    length = float(np.linalg.norm(STOP - START))
    braking = 0.75
    cruise = length / SPEED - braking / 2.0
    if time < cruise:
        return SPEED * time
    u = min((time - cruise) / braking, 1.0)
    return SPEED * (cruise + braking * (u - u**2 / 2.0))


def path_point(distance: float, side: float) -> tuple[float, float]:
    """A floor place: so far along the path, so far to the walker's left."""
    along = (STOP - START) / np.linalg.norm(STOP - START)
    left = np.array([-along[1], along[0]])
    x, y = START + along * distance + left * side
    return float(x), float(y)


def stand_point(side: float) -> tuple[float, float]:
    """A floor place at the end of the walk, to the left of the standing person."""
    left = np.array([np.cos(STAND_HEADING), np.sin(STAND_HEADING)])
    ahead = np.array([np.sin(STAND_HEADING), -np.cos(STAND_HEADING)])
    x, y = STOP + left * side + ahead * 0.10
    return float(x), float(y)


def foot_plan(side: int) -> tuple[Swing, ...]:
    """The flights of a foot, first the place where it begins. side: +1 left, -1 right."""
    rest = stand_point(side * STANCE)
    outward = STAND_HEADING + side * TOES_OUT
    walk = WALK_HEADING + side * 0.09
    reach, gap = 0.40, side * GAIT
    if side > 0:
        falls = [(-1.5, -0.62), (-0.04, 0.36), (0.90, 1.30)]
        flights = [Swing(a, b, path_point(SPEED * b + reach, gap), walk) for a, b in falls]
        return (*flights, Swing(1.92, 2.32, rest, outward))
    falls = [(-1.0, -0.12), (0.42, 0.83)]
    flights = [Swing(a, b, path_point(SPEED * b + reach, gap), walk) for a, b in falls]
    return (*flights, Swing(1.40, 1.82, rest, outward))


def foot_at(time: float, side: int) -> Foot:
    """Where a foot is. side: +1 left, -1 right."""
    plan = foot_plan(side)
    current = max(k for k, swing in enumerate(plan) if time >= swing.leaves or k == 0)
    target = plan[current]
    place, heading = np.array(target.place), target.heading
    if time >= target.lands or current == 0:
        heel_off = plan[current + 1].leaves if current + 1 < len(plan) else np.inf
        landing = -0.30 * (1.0 - ease(time, target.lands, target.lands + 0.10)) * _strides(plan, current)
        push = 0.62 * ease(time, heel_off - 0.24, heel_off + 0.04) if np.isfinite(heel_off) else 0.0
        return Foot(place, 0.0, landing + push, heading)
    before = plan[current - 1]
    u = (time - target.leaves) / (target.lands - target.leaves)
    share = ease(u, 0.0, 1.0)
    lift = FOOT_LIFT * np.sin(np.pi * u) ** 2
    drop = 0.62 * (1.0 - ease(u, -0.15, 0.62)) / (1.0 - ease(0.0, -0.15, 0.62)) * _pushed(target)
    pitch = drop - 0.30 * ease(u, 0.55, 1.0) * _strides(plan, current)
    start = np.array(before.place)
    return Foot(start + (place - start) * share, lift, pitch, before.heading + (heading - before.heading) * share)


def _pushed(swing: Swing) -> float:
    """How far the heel had risen when the foot left, as a share of the full rise."""
    return ease(swing.leaves, swing.leaves - 0.24, swing.leaves + 0.04)


def _strides(plan: tuple[Swing, ...], index: int) -> float:
    """1 for a stride that lands on the heel, 0 for the last small step, which lands flat."""
    return 0.0 if index == len(plan) - 1 else 1.0


def stance_at(time: float) -> Stance:
    """The person at a moment, 0 <= time <= DURATION."""
    walking = 1.0 - ease(time, 1.35, 2.05)
    raised = ease(time, 2.15, 3.0) - ease(time, 3.0, 3.8)
    squat = ease(time, 3.6, 4.25) - ease(time, 4.3, 4.95)
    turn = ease(time, 1.15, 2.15)
    heading = WALK_HEADING + (STAND_HEADING - WALK_HEADING) * turn
    feet = (foot_at(time, 1), foot_at(time, -1))
    spread = _spread(feet, heading)
    place = np.array(path_point(travelled(time), 0.0))
    back = np.array([-np.sin(heading), np.cos(heading)])
    weight = 0.020 * np.sin(2.0 * np.pi * (time - 0.36) / 0.94) * walking
    across = np.array([np.cos(heading), np.sin(heading)])
    return Stance(
        pelvis=place + back * 0.20 * squat - across * weight,
        drop=SQUAT_DEPTH * squat,
        heading=heading - 0.10 * spread * walking,
        chest_turn=0.30 * spread * walking,
        lean=0.05 * walking + 0.62 * squat + 0.02,
        sway=0.02 * np.sin(1.7 * time),
        look=-0.55 * heading * ease(time, 0.3, 1.6),
        nod=-0.38 * squat + 0.04,
        feet=feet,
        arms=(_arm(-spread * walking, raised, squat, 1), _arm(spread * walking, raised, squat, -1)),
    )


def _spread(feet: tuple[Foot, Foot], heading: float) -> float:
    """How far the left foot is before the right one, metres."""
    ahead = np.array([np.sin(heading), -np.cos(heading)])
    return float((feet[0].place - feet[1].place) @ ahead)


def _arm(swing: float, raised: float, squat: float, side: int) -> Arm:
    late = 0.04 * side
    forward = 0.62 * swing + 0.08 + 1.42 * squat
    return Arm(
        forward=forward * (1.0 - raised) - 0.08 * raised,
        side=0.13 + (2.50 + late) * raised + 0.16 * squat,
        elbow=0.30 + 0.35 * max(swing, -0.2) - 0.12 * raised - 0.12 * squat,
    )
