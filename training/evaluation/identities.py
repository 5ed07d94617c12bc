"""How well people of known identity are followed: id switches, missed and false people, IDF1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from model.people.assignment import best_pairs
from model.people.similarity import joint_similarity
from model.values import Array, Person, Pose

_LEAST_SIMILARITY = 0.5
"""OKS from which on a person that was read may be the true one, as COCO's least threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class TruePerson:
    """Who is in a frame.

    Attributes:
        identity: the same from frame to frame.
        joints: float64 [13, 2], frame pixels.
        area: of the person's box, squared pixels.
        visible: False where somebody else hides them so that it does not count whether they are read.
    """

    identity: int
    joints: Array
    area: float
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Identities:
    """Counts over the frames of a clip.

    Attributes:
        true: people who can be seen, one a frame each.
        missed: those of them who were not read.
        false: people who were read where nobody is, or somebody already was.
        switches: how often a person's number changed.
        in_order: people who were read under the one number that goes with them in this clip.
    """

    true: int = 0
    missed: int = 0
    false: int = 0
    switches: int = 0
    in_order: int = 0

    @property
    def idf1(self) -> float:
        """0 to 1: `in_order` over the mean of those who are true and those who were read."""
        return 2 * self.in_order / max(1, self.true + self.true - self.missed + self.false)

    def __add__(self, other: "Identities") -> "Identities":
        """Of both clips."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Identities(*(mine + theirs for mine, theirs in pairs))


def identities(truth: Sequence[Sequence[TruePerson]], read: Sequence[Sequence[Person]]) -> Identities:
    """Compare what was read of each frame with who was there."""
    together: Counter[tuple[int, int]] = Counter()
    last: dict[int, int] = {}
    true = missed = false = switches = 0
    for there, people in zip(truth, read, strict=True):
        pairs = _pairs(there, people, last)
        visible = [pair for pair in pairs if there[pair[0]].visible]
        true += sum(person.visible for person in there)
        missed += sum(person.visible for person in there) - len(visible)
        false += len(people) - len(pairs)
        for row, column in visible:
            identity, track_id = there[row].identity, people[column].track_id
            switches += last.get(identity, track_id) != track_id
            last[identity] = track_id
            together[identity, track_id] += 1
    return Identities(true, missed, false, switches, _in_order(together))


def _pairs(there: Sequence[TruePerson], people: Sequence[Person], last: dict[int, int]) -> list[tuple[int, int]]:
    """Indices of true people and of those who were read: the pair of the frame before, where it may still be one."""
    if not there or not people:
        return []
    values = np.array([[_value(one, other, last) for other in people] for one in there])
    return best_pairs(values)


def _value(one: TruePerson, other: Person, last: dict[int, int]) -> float:
    every = Pose(other.pose.xy_px, np.ones_like(other.pose.score))
    similarity = joint_similarity(every, one.joints, one.area)
    if similarity < _LEAST_SIMILARITY:
        return 0.0
    return similarity + (last.get(one.identity) == other.track_id)


def _in_order(together: Counter[tuple[int, int]]) -> int:
    """Most people that are read under their own number, where each number is one person's."""
    rows, columns = (sorted({pair[side] for pair in together}) for side in (0, 1))
    if not rows:
        return 0
    counts = np.array([[float(together[row, column]) for column in columns] for row in rows])
    return int(sum(counts[pair] for pair in best_pairs(counts)))
