"""How well the network tells somebody from nobody: people missed, and nobodies taken for people, at each threshold.

People are the clips' own, in their true boxes. Nobody is what `training.samples.absent` makes: background beside the
person, the frame with the person wiped out, noise and flat colour. Every crop is read as a first frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.coords import crop_input, region_to_transform
from model.engines.base import Engine, ModelInput
from model.values import Array, Frame
from training.datasets.person import Clip
from training.samples.absent import background

THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class PresenceRates:
    """Error rates in percent.

    Attributes:
        people, empty: how many crops of each kind were read.
        missed: threshold -> people whose score lies below.
        false: threshold -> crops of nobody whose score reaches it.
        calibration: mean difference between a score and the share of people among crops of about that score, weighted
            by the crops; points.
    """

    people: int
    empty: int
    missed: dict[float, float]
    false: dict[float, float]
    calibration: float


def presence_rates(engine: Engine, clips: Sequence[Clip], stride: int = 5, seed: int = 0) -> PresenceRates:
    """Rates over every stride-th frame of the clips, each once with and once without its person.

    Raises:
        ValueError: there is no clip.
    """
    rng, size = np.random.default_rng(seed), engine.config.input_size
    people, empty = [], []
    for clip in clips:
        for t in range(0, len(clip), stride):
            people.append(crop_input(Frame(clip.frames[t]), region_to_transform(clip.region(t), size)))
            empty.append(background(clip, t, size, rng))
    if not people:
        raise ValueError("presence_rates: expected at least one clip, got none")
    return rates_of(_scores(engine, people), _scores(engine, empty))


def rates_of(people: Array, empty: Array) -> PresenceRates:
    """Rates of the scores of people [n] and of nobodies [m]."""
    return PresenceRates(
        people=len(people),
        empty=len(empty),
        missed={t: 100.0 * float((people < t).mean()) for t in THRESHOLDS},
        false={t: 100.0 * float((empty >= t).mean()) for t in THRESHOLDS},
        calibration=_calibration(people, empty),
    )


def _scores(engine: Engine, crops: Sequence[Array]) -> Array:
    return np.array([engine.infer([ModelInput(crop)])[0].presence for crop in crops])


def _calibration(people: Array, empty: Array, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017), with as many people as nobodies."""
    scores = np.concatenate([people, empty])
    truth = np.concatenate([np.ones(len(people)), np.zeros(len(empty))])
    place = np.minimum((scores * bins).astype(int), bins - 1)
    errors = [
        abs(float(scores[place == b].mean()) - float(truth[place == b].mean())) * int((place == b).sum())
        for b in range(bins)
        if (place == b).any()
    ]
    return 100.0 * sum(errors) / len(scores)
