"""What the person wears: a solid texture over the rest pose, and how far cloth stands off the skin."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tools.demo_clip.noise import solid_noise
from tools.demo_clip.skeleton import Rig

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Part(IntEnum):
    """What covers a place of the body."""

    SKIN = 0
    SHIRT = 1
    SHORTS = 2
    SOCK = 3
    SHOE = 4
    SOLE = 5
    HAIR = 6
    BROW = 7
    EYE = 8
    LIPS = 9


CLOTH_PARTS = (Part.SHIRT, Part.SHORTS)

# Linear RGB, as light leaves the surface under white light.
COLOURS = np.array(
    [
        [0.47, 0.27, 0.185],  # skin
        [0.05, 0.125, 0.30],  # shirt
        [0.028, 0.03, 0.036],  # shorts
        [0.55, 0.55, 0.54],  # sock
        [0.045, 0.045, 0.05],  # shoe
        [0.50, 0.50, 0.48],  # sole
        [0.028, 0.017, 0.011],  # hair
        [0.07, 0.038, 0.024],  # brow
        [0.05, 0.035, 0.03],  # eye
        [0.36, 0.13, 0.105],  # lips
    ]
)


def _along(rig: Rig, points: Array, start: str, end: str) -> Array:
    """[N]: 0 at one bone's head and 1 at the other's, measured along the line between them."""
    a, b = rig.head(start), rig.head(end)
    share: Array = (points - a) @ (b - a) / ((b - a) @ (b - a))
    return share


def part_of(rig: Rig, points: Array, limbs: Ints) -> Ints:
    """Rest-pose places [N, 3] on limbs [N] (index into LIMBS of body.py) to Part [N]."""
    parts = np.full(len(points), int(Part.SKIN))
    _cover_trunk(rig, points, limbs, parts)
    for side, arm, leg in (("L", 2, 4), ("R", 3, 5)):
        sleeve = (limbs == arm) & (_along(rig, points, f"upperarm01.{side}", f"lowerarm01.{side}") < 0.62)
        parts[sleeve] = Part.SHIRT
        _cover_leg(rig, points, limbs == leg, side, parts)
    _cover_head(rig, points, limbs == 1, parts)
    return parts


def _cover_trunk(rig: Rig, points: Array, limbs: Ints, parts: Ints) -> None:
    hem = rig.head("upperleg01.L")[2] + 0.03
    body = np.isin(limbs, (0, 1, 4, 5))
    parts[body] = Part.SHORTS
    parts[body & (points[:, 2] > hem)] = Part.SHIRT
    # The collar is a tilted ring round the foot of the neck.
    collar = rig.head("neck01")
    above = (points[:, 2] - collar[2]) - 0.35 * (points[:, 1] - collar[1])
    narrow = (limbs == 1) | (np.abs(points[:, 0]) < 0.085)
    bare = np.isin(limbs, (0, 1)) & (above > 0.012) & narrow
    parts[bare] = Part.SKIN


def _cover_leg(rig: Rig, points: Array, leg: NDArray[np.bool_], side: str, parts: Ints) -> None:
    thigh = _along(rig, points, f"upperleg01.{side}", f"lowerleg01.{side}")
    shin = _along(rig, points, f"lowerleg01.{side}", f"foot.{side}")
    ankle = rig.head(f"foot.{side}")
    ground = points[:, 2] - (ankle[2] - 0.085)
    parts[leg & (thigh > 0.80)] = Part.SKIN
    parts[leg & (shin > 0.78)] = Part.SOCK
    parts[leg & (ground < 0.075 + 0.02 * (points[:, 1] > ankle[1]))] = Part.SHOE
    parts[leg & (ground < 0.022)] = Part.SOLE


def _cover_head(rig: Rig, points: Array, head: NDArray[np.bool_], parts: Ints) -> None:
    left, right = rig.head("eye.L"), rig.head("eye.R")
    eyes = (left + right) / 2.0
    x, y, z = (points - eyes).T
    # A hairline that runs over the forehead, before the ears and down to the neck.
    behind = np.clip((y - 0.015) / 0.07, 0.0, 1.0)
    hair = head & (z > 0.072 - 0.02 * (x / 0.06) ** 2 - 0.145 * behind) & ((y > 0.0) | (z > 0.05))
    parts[hair] = Part.HAIR
    front = head & (y < 0.03)
    parts[
        front & (np.abs(np.abs(x) - 0.033) < 0.019) & (np.abs(z - 0.021 + 0.05 * np.abs(np.abs(x) - 0.03)) < 0.0045)
    ] = Part.BROW
    for eye in (left, right):
        near = (((points - eye) / np.array([0.0135, 1.0, 0.0055])) ** 2)[:, [0, 2]].sum(axis=1) < 1.0
        parts[front & near] = Part.EYE
    mouth = (x / 0.024) ** 2 + ((z + 0.068) / 0.008) ** 2 < 1.0
    parts[front & mouth] = Part.LIPS


def swelling(rig: Rig, points: Array, parts: Ints) -> Array:
    """[N]: how far the surface stands off the skin, metres; folds of cloth and locks of hair included."""
    folds = solid_noise(points * np.array([1.0, 1.0, 0.6]), 0.17, seed=3)
    waist = np.clip((rig.head("clavicle.L")[2] - points[:, 2]) / 0.5, 0.0, 1.0)
    sleeve = np.clip((np.abs(points[:, 0]) - 0.2) / 0.15, 0.0, 1.0)
    knee = rig.head("lowerleg01.L")[2]
    flare = np.clip((rig.head("upperleg01.L")[2] - points[:, 2]) / 0.45, 0.0, 1.0)
    standoff = np.zeros(len(points))
    shirt = parts == Part.SHIRT
    standoff[shirt] = (0.014 + 0.018 * waist + 0.014 * sleeve + 0.004 * folds * (0.4 + waist))[shirt]
    shorts = parts == Part.SHORTS
    standoff[shorts] = (0.014 + 0.022 * flare + 0.004 * folds)[shorts]
    standoff[parts == Part.SOCK] = 0.003
    standoff[np.isin(parts, (Part.SHOE, Part.SOLE))] = 0.020
    locks = solid_noise(points, 0.035, seed=4)
    eyes = rig.head("eye.L")[2]
    crown = np.clip((points[:, 2] - eyes + 0.02) / 0.08, 0.0, 1.0)
    standoff[parts == Part.HAIR] = (0.005 + 0.016 * crown + 0.002 * locks)[parts == Part.HAIR]
    standoff[shorts & (points[:, 2] < knee)] = 0.0
    return standoff


def albedo(points: Array, parts: Ints) -> Array:
    """[N, 3] linear RGB of the surface at rest-pose places [N, 3]."""
    colour = COLOURS[parts].copy()
    blotch = solid_noise(points, 0.05, seed=5)
    weave = solid_noise(points, 0.012, seed=6)
    skin = parts == Part.SKIN
    colour[skin] *= 1.0 + 0.05 * blotch[skin, None] * np.array([0.6, 1.0, 1.0])
    stubble = np.clip(blotch, -1.0, 1.0)
    other = ~skin
    colour[other] *= 1.0 + (0.03 * weave + 0.02 * stubble)[other, None]
    hair = parts == Part.HAIR
    colour[hair] *= 1.0 + 0.35 * solid_noise(points[hair] * np.array([1.0, 1.0, 0.35]), 0.012, seed=7)[:, None]
    clipped: Array = np.clip(colour, 0.004, 0.95)
    return clipped


def bumps(points: Array, parts: Ints) -> Array:
    """[N, 3]: a small vector to add to the normal, for creases that the mesh is too coarse to hold."""
    strength = np.zeros(len(points))
    strength[np.isin(parts, CLOTH_PARTS)] = 0.11
    strength[parts == Part.HAIR] = 0.30
    strength[parts == Part.SHOE] = 0.10
    stretched = points * np.array([1.0, 1.0, 0.55])
    waves = [
        solid_noise(stretched, 0.11, seed=20 + k) + 0.15 * solid_noise(points, 0.03, seed=30 + k) for k in range(3)
    ]
    return np.stack(waves, axis=1) * strength[:, None]
