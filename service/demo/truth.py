"""The exact joints of a rendered clip, from the JSON beside it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.pck import pck, person_size, torso_size
from model.skeletons import KINEPOSE_13
from model.values import Array
from service.contract.messages import FrameResult


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of every frame of a clip.

    Attributes:
        pts_us: int64 [T], times of the frames.
        joints: float64 [T, K, 2], original pixels, in the order of the skeleton `kinepose13`.
        boxes: float64 [T, 4], x, y, w, h of the person.
    """

    pts_us: Array
    joints: Array
    boxes: Array


@dataclass(frozen=True, slots=True)
class Accuracy:
    """PCK@0.2 in percent, by both normalisers."""

    person: float
    torso: float


def load_truth(clip: Path) -> Truth | None:
    """Truth from the file with the clip's name and .json; None where there is none.

    Raises:
        ValueError: the file is there, but not of this form.
    """
    path = clip.with_suffix(".json")
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        order = [data["joint_names"].index(joint) for joint in KINEPOSE_13.joints]
        frames = data["frames"]
        return Truth(
            np.array([frame["pts_us"] for frame in frames], np.int64),
            np.array([frame["joints"] for frame in frames], np.float64)[:, order],
            np.array([frame["box"] for frame in frames], np.float64),
        )
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"{path.name} does not hold the clip's joints: {error!r}") from error


def accuracy(results: list[FrameResult], truth: Truth) -> Accuracy:
    """PCK of the first person of each result, all joints counted, hidden ones too; where nobody is, all are missed.

    Raises:
        ValueError: the results are of other frames than the truth.
    """
    if [result.pts_us for result in results] != truth.pts_us.tolist():
        raise ValueError("the clip's joints belong to other frames than those that were decoded")
    nobody = np.full(truth.joints.shape[1:], np.nan)
    predicted = np.stack([result.people[0].pose.xy_px if result.people else nobody for result in results])
    by_person = pck(predicted, truth.joints, person_size(truth.boxes), KINEPOSE_13)
    by_torso = pck(predicted, truth.joints, torso_size(truth.joints, predicted, KINEPOSE_13), KINEPOSE_13)
    return Accuracy(by_person.mean, by_torso.mean)
