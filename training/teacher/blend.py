"""Labels and a teacher's pseudo-labels, made into one.

LSPET was labelled by hired annotators: one limb in ten lies elsewhere than a good network sees it. Where both agree
their mean is taken (two noisy measurements of one thing); where they do not, a confident teacher wins and an unsure
one leaves the joint without a label. A teacher is not trusted against a label on people who are upside down. At the
end the joints move to where JHMDB, the set that we measure on, would have them (`training.teacher.style`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.values import Array
from training.datasets.coco import JOINTS_17
from training.datasets.person import SKELETON, Clip
from training.teacher import style

_AGREE = 0.15
"""Distance, as a share of the longer side of the person's box, up to which two labels mean the same point."""

_SURE, _UNSURE = 0.5, 0.3
"""Scores: from `_SURE` on the teacher overrules a label; below `_UNSURE` it is ignored."""

_SHARED = [SKELETON.index(name) for name in style.LIMB_JOINTS]
_IN_COCO = [JOINTS_17.index(name) for name in style.LIMB_JOINTS]


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabels:
    """A teacher's joints.

    Attributes:
        row: picture's name -> its row.
        joints: float32 [N, 17, 2] in COCO's order, picture pixels, 0-based pixel centres.
        scores: float32 [N, 17], 0..1; 0 where the picture and its mirror disagree.
        style: coefficients of `training.teacher.style`, [6, 7].
    """

    row: dict[str, int]
    joints: Array
    scores: Array
    style: Array


def read_pseudo_labels(path: Path) -> PseudoLabels:
    """An .npz with `names`, `joints`, `scores` and `style`, as `training.commands.pseudo_label` writes it."""
    with np.load(path, allow_pickle=False) as archive:
        row = {str(name): i for i, name in enumerate(archive["names"])}
        return PseudoLabels(row, archive["joints"], archive["scores"], archive["style"])


def blend(clips: list[Clip], path: Path) -> list[Clip]:
    """The still pictures with blended labels; a picture that the teacher has not seen keeps its own."""
    pseudo = read_pseudo_labels(path)
    offsets = _offsets(clips, pseudo)
    return [_blend_one(clip, pseudo, offsets) if clip.name in pseudo.row else clip for clip in clips]


def restyle_clips(clips: list[Clip], path: Path) -> list[Clip]:
    """Still pictures with hand-made labels in COCO's style, moved to where JHMDB would have them."""
    coefficients = read_pseudo_labels(path).style
    return [_restyle_one(clip, coefficients) for clip in clips]


def _restyle_one(clip: Clip, coefficients: Array) -> Clip:
    labelled = clip.labelled[0, _SHARED]
    joints = clip.joints.copy()
    joints[0, _SHARED] = style.restyle(clip.joints[0, _SHARED], coefficients, labelled)
    return replace(clip, joints=joints)


def _offsets(clips: list[Clip], pseudo: PseudoLabels) -> Array:
    """How the teacher's joints lie from the labels in the median, [shared, 2], as a share of the person's size.

    The labels are moved by it before the two are compared: a constant difference of habit is no disagreement.
    """
    deltas: list[list[Array]] = [[] for _ in _SHARED]
    for clip in clips:
        if clip.name not in pseudo.row:
            continue
        predicted, scores = _of_teacher(clip, pseudo)
        delta = (predicted - clip.joints[0, _SHARED]) / _size(clip)
        for j in np.flatnonzero(clip.labelled[0, _SHARED] & (scores >= _SURE)):
            deltas[j].append(delta[j])
    return np.array([np.median(found, axis=0) if found else (0.0, 0.0) for found in deltas])


def _blend_one(clip: Clip, pseudo: PseudoLabels, offsets: Array) -> Clip:
    predicted, scores = _of_teacher(clip, pseudo)
    own, labelled = clip.joints[0, _SHARED] + offsets * _size(clip), clip.labelled[0, _SHARED]
    agree = labelled & (np.linalg.norm(predicted - own, axis=1) <= _AGREE * _size(clip))
    believed = scores >= _UNSURE
    trusted = ~labelled | style.upright(np.where(labelled[:, None], own, predicted))
    taken = (scores >= _SURE) & ~agree & trusted
    doubtful = labelled & ~agree & believed & ~taken
    mean = (agree & believed)[:, None]
    best = np.where(mean, (own + predicted) / 2, np.where((taken | ~labelled)[:, None], predicted, own))
    joints, known = clip.joints.copy(), clip.labelled.copy()
    joints[0, _SHARED] = style.restyle(best, pseudo.style)
    known[0, _SHARED] = (labelled | taken) & ~doubtful
    return replace(clip, joints=joints, labelled=known)


def _of_teacher(clip: Clip, pseudo: PseudoLabels) -> tuple[Array, Array]:
    row = pseudo.row[clip.name]
    return pseudo.joints[row, _IN_COCO].astype(np.float64), pseudo.scores[row, _IN_COCO]


def _size(clip: Clip) -> float:
    return float(clip.boxes[0, 2:].max())
