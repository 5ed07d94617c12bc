"""People out of what MoveNet MultiPose's heads say of one picture.

A peak of `center` is a person, whose cell tells the box and guesses every joint; each joint is then the best cell of
its heatmap inside the box, the less the farther it is from the guess.
"""

from dataclasses import dataclass

import numpy as np

from model.values import Array

JOINTS = 17
MOST = 16
"""People of one picture at most."""

_WEIGHT_OF_DISTANCE = 0.30005
"""Spread of the weight by distance from the guess, in squared cells over the map's side; stored so with the weights."""
_JOINT_SEEN = 0.127
"""Score from which a joint counts for the person's score."""
_LEAST_CENTER = 0.1
"""Weaker peaks are nobody: their score would be lower still."""


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """Outputs of the network, float32 [C, h, h]; see `model.finder.graph.HEADS`."""

    center: Array
    box_scale: Array
    box_offset: Array
    heatmap: Array
    regress: Array
    offset: Array


@dataclass(frozen=True, slots=True, eq=False)
class Person17:
    """A person in one picture, in shares of its side: 0 and 1 are its edges.

    Attributes:
        box: x0, y0, x1, y1, within the picture.
        xy: float64 [17, 2], in COCO's order.
        joint_score: float32 [17], 0..1.
        score: 0..1, of the person.
    """

    box: Array
    xy: Array
    joint_score: Array
    score: float


def decode(heads: Heads, most: int = MOST) -> list[Person17]:
    """People, the one with the highest centre first."""
    flat, side = heads.center[0].ravel(), heads.center.shape[-1]
    best = np.argsort(-flat, kind="stable")[:most]
    return [_person(heads, *divmod(int(cell), side)) for cell in best if flat[cell] >= _LEAST_CENTER]


def _person(heads: Heads, row: int, column: int) -> Person17:
    side = heads.center.shape[-1]
    box = _box(heads, row, column)
    xy, joint_score = _joints(heads, row, column, box)
    counted = joint_score[joint_score > _JOINT_SEEN]
    score = float(heads.center[0, row, column] * counted.mean()) if len(counted) else 0.0
    return Person17(box / side, xy / side, joint_score, score)


def _box(heads: Heads, row: int, column: int) -> Array:
    """x0, y0, x1, y1 in cells, float64."""
    size = np.maximum(heads.box_scale[:, row, column].astype(np.float64), 0.0)  # y, x as all of this network
    middle = heads.box_offset[:, row, column] + np.array([row, column], np.float64)
    edges = np.array([middle - size / 2, middle + size / 2]).clip(0, heads.center.shape[-1])
    return edges[:, ::-1].ravel()


def _joints(heads: Heads, row: int, column: int, box: Array) -> tuple[Array, Array]:
    """xy float64 [17, 2] in cells and scores float32 [17]."""
    guess = heads.regress[:, row, column].reshape(JOINTS, 2) + np.array([row, column])
    # Cells [first, last) whose index lies in the box: what lies outside does not count.
    x0, y0, x1, y1 = np.ceil(box).astype(int)
    part = heads.heatmap[:, y0:y1, x0:x1]
    if not part.size:
        return guess[:, ::-1].astype(np.float64), np.zeros(JOINTS, np.float32)
    rows, columns = np.arange(y0, y1)[:, None], np.arange(x0, x1)
    far = (rows - guess[:, 0, None, None]) ** 2 + (columns - guess[:, 1, None, None]) ** 2  # [17, h, w]
    weighed = part * np.exp(-far / (_WEIGHT_OF_DISTANCE * heads.center.shape[-1]))
    y, x = np.divmod(weighed.reshape(JOINTS, -1).argmax(axis=1), part.shape[2])
    each = np.arange(JOINTS)
    fine = heads.offset.reshape(JOINTS, 2, *heads.center.shape[1:])[each, :, y + y0, x + x0]  # [17, 2]
    return np.column_stack([x + x0 + fine[:, 1], y + y0 + fine[:, 0]]).astype(np.float64), weighed[each, y, x]
