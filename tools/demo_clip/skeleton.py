"""Bones to surface: forward kinematics, two-bone inverse kinematics and linear blend skinning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rig:
    """A tree of J bones in its rest pose, and how they carry V vertices.

    names: J bone names, parents before children.  parents: index of each parent, -1 for the root.
    heads [J, 3]: where each bone begins, metres.  bones [V, M] and weights [V, M]: the M bones that move
    a vertex, and by how much (sums 1).
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Array
    bones: Ints
    weights: Array

    def head(self, name: str) -> Array:
        """[3]: where the bone begins in the rest pose; KeyError-like ValueError for an unknown name."""
        head: Array = self.heads[self.names.index(name)]
        return head


@dataclass(frozen=True)
class Posture:
    """Where the bones are. rotations [J, 3, 3]: rest to world.  heads [J, 3]: world metres."""

    rotations: Array
    heads: Array

    def carry(self, rig: Rig, bone: str, point: Array) -> Array:
        """A rest-pose point [3] that is stuck to a bone, in the world."""
        j = rig.names.index(bone)
        moved: Array = self.rotations[j] @ (point - rig.heads[j]) + self.heads[j]
        return moved


def pose_rig(rig: Rig, root: Array, rotations: Mapping[str, Array]) -> Posture:
    """Put the root at `root` [3] and turn bones. A bone that is not named turns with its parent.

    rotations: bone name to [3, 3], world rotation from the rest pose (not relative to the parent).
    """
    turned = np.empty((len(rig.names), 3, 3))
    heads = np.empty((len(rig.names), 3))
    for j, (name, parent) in enumerate(zip(rig.names, rig.parents, strict=True)):
        above = turned[parent] if parent >= 0 else np.eye(3)
        turned[j] = rotations.get(name, above)
        heads[j] = root if parent < 0 else heads[parent] + above @ (rig.heads[j] - rig.heads[parent])
    return Posture(turned, heads)


def skin(rig: Rig, posture: Posture, rest: Array) -> Array:
    """Rest vertices [V, 3] to posed vertices [V, 3] by linear blend skinning."""
    offset = posture.heads - np.einsum("jab,jb->ja", posture.rotations, rig.heads)  # [J, 3]
    transforms = np.concatenate([posture.rotations, offset[:, :, None]], axis=2)  # [J, 3, 4]
    blended = np.einsum("vm,vmab->vab", rig.weights, transforms[rig.bones])  # [V, 3, 4]
    moved: Array = np.einsum("vab,vb->va", blended[:, :, :3], rest) + blended[:, :, 3]
    return moved


def unit(vector: Array | Sequence[float]) -> Array:
    """A vector scaled to length 1."""
    v = np.asarray(vector, dtype=np.float64)
    return v / np.linalg.norm(v)


def rotation(axis: str, angle: float) -> Array:
    """[3, 3]: a right-handed turn by `angle` radians about the x, y or z axis."""
    c, s = np.cos(angle), np.sin(angle)
    if axis == "x":
        return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    if axis == "y":
        return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def limb_frame(direction: Array, hinge: Array) -> Array:
    """[3, 3] with columns: along the limb, its hinge axis made square to it, and the third."""
    along = unit(direction)
    across = unit(hinge - along * (hinge @ along))
    return np.stack([along, across, np.cross(along, across)], axis=1)


def limb_rotation(rest: tuple[Array, Array], posed: tuple[Array, Array]) -> Array:
    """[3, 3]: the turn that takes a limb's (direction, hinge axis) in the rest pose to the posed ones."""
    return limb_frame(*posed) @ limb_frame(*rest).T


def bend_leg(hip: Array, ankle: Array, lengths: tuple[float, float], hinge: Array) -> tuple[Array, Array]:
    """Two-bone inverse kinematics: the directions of thigh and shin that bring the foot to the ankle.

    lengths: thigh and shin in metres.  hinge [3]: the knee's axis, to the person's left; the knee goes to
    the front of it.  An ankle that is out of reach is approached with a straight leg.
    """
    thigh, shin = lengths
    reach = ankle - hip
    distance = min(float(np.linalg.norm(reach)), (thigh + shin) * 0.9995)
    along = unit(reach)
    front = unit(np.cross(along, hinge))
    cosine = (thigh**2 + distance**2 - shin**2) / (2.0 * thigh * distance)
    knee = along * thigh * cosine + front * thigh * np.sqrt(max(1.0 - cosine**2, 0.0))
    return unit(knee), unit(along * distance - knee)
