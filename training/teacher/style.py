"""From one data set's idea of a joint to another's: where COCO and JHMDB put a shoulder differs by a tenth of a torso.

A joint is moved by a weighted sum of vectors of its own body (torso, girdles, the limb's bones), so that the move
turns and scales with the person and is the same for left and right. The weights are fitted on people who are labelled
both ways.
"""

import numpy as np

from model.values import Array

PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMB_JOINTS = tuple(f"{side}_{part}" for part in PARTS for side in ("left", "right"))
"""The twelve joints that COCO and the served skeleton share, in the order of the arrays of this module."""

VECTORS = 7

_OUTLIER = 0.08
"""A residual of more than this share of the person's size is a mistake of one side, not a matter of style."""


def upright(joints: Array) -> bool:
    """Whether the hips of joints [12, 2] lie below the shoulders in the picture."""
    return bool(_middle(joints, "hip")[1] > _middle(joints, "shoulder")[1])


def restyle(joints: Array, coefficients: Array, labelled: Array | None = None) -> Array:
    """Joints [12, 2] of a person, moved by coefficients [6, 7].

    Args:
        labelled: bool [12], joints that are known (None: all); a vector with an unknown end moves nothing.
    """
    moved = joints.astype(np.float64)
    known = np.ones(len(LIMB_JOINTS), bool) if labelled is None else labelled
    for place, name in enumerate(LIMB_JOINTS):
        vectors = np.where(known_vectors(known, name)[:, None], body_vectors(joints, name), 0.0)
        moved[place] += coefficients[PARTS.index(name.partition("_")[2])] @ vectors
    return moved


def known_vectors(labelled: Array, name: str) -> Array:
    """Which of `body_vectors` have all their ends among the labelled joints [12], bool [7]."""
    side = name.partition("_")[0]
    other = "right" if side == "left" else "left"

    def all_of(*names: str) -> bool:
        return all(bool(labelled[LIMB_JOINTS.index(joint)]) for joint in names)

    return np.array(
        [
            all_of("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
            all_of(f"{side}_shoulder", f"{other}_shoulder"),
            all_of(f"{side}_hip", f"{other}_hip"),
            all_of(f"{side}_shoulder", f"{side}_elbow"),
            all_of(f"{side}_elbow", f"{side}_wrist"),
            all_of(f"{side}_hip", f"{side}_knee"),
            all_of(f"{side}_knee", f"{side}_ankle"),
        ]
    )


def body_vectors(joints: Array, name: str) -> Array:
    """The vectors [7, 2] that a joint may move along: torso, to the other shoulder and hip, upper and lower limbs."""
    side = name.partition("_")[0]
    other = "right" if side == "left" else "left"

    def bone(start: str, end: str) -> Array:
        vector: Array = joints[LIMB_JOINTS.index(end)] - joints[LIMB_JOINTS.index(start)]
        return vector

    return np.stack(
        [
            _middle(joints, "hip") - _middle(joints, "shoulder"),
            bone(f"{side}_shoulder", f"{other}_shoulder"),
            bone(f"{side}_hip", f"{other}_hip"),
            bone(f"{side}_shoulder", f"{side}_elbow"),
            bone(f"{side}_elbow", f"{side}_wrist"),
            bone(f"{side}_hip", f"{side}_knee"),
            bone(f"{side}_knee", f"{side}_ankle"),
        ]
    ).astype(np.float64)


def fit(predicted: Array, labels: Array, usable: Array, sizes: Array) -> Array:
    """Coefficients [6, 7] that move joints `predicted` [N, 12, 2] to where `labels` are, by trimmed least squares.

    Args:
        usable: bool [N, 12], joints that the teacher is sure of; sizes: [N], the persons' sizes in pixels.
    """
    return np.stack([_fit_part(part, predicted, labels, usable, sizes) for part in PARTS])


def _fit_part(part: str, predicted: Array, labels: Array, usable: Array, sizes: Array) -> Array:
    vectors, moves = [], []
    for person in range(len(predicted)):
        for side in ("left", "right"):
            joint = LIMB_JOINTS.index(f"{side}_{part}")
            if usable[person, joint]:
                vectors.append(body_vectors(predicted[person], f"{side}_{part}") / sizes[person])
                moves.append((labels[person, joint] - predicted[person, joint]) / sizes[person])
    return _trimmed_least_squares(np.array(vectors), np.array(moves))


def _trimmed_least_squares(vectors: Array, moves: Array) -> Array:
    """Weights [7] so that weights @ vectors [N, 7, 2] is near moves [N, 2]; outliers are left out, then refitted."""
    kept = np.linalg.norm(moves, axis=1) < 2 * _OUTLIER
    weights = np.zeros(VECTORS)
    for _ in range(6):
        design = vectors[kept].transpose(0, 2, 1).reshape(-1, VECTORS)
        ridge = 1e-4 * len(design) * np.eye(VECTORS)
        weights = np.linalg.solve(design.T @ design + ridge, design.T @ moves[kept].reshape(-1))
        kept = np.linalg.norm(moves - np.einsum("nvd,v->nd", vectors, weights), axis=1) < _OUTLIER
    return weights


def _middle(joints: Array, part: str) -> Array:
    middle: Array = (joints[LIMB_JOINTS.index(f"left_{part}")] + joints[LIMB_JOINTS.index(f"right_{part}")]) / 2
    return middle
