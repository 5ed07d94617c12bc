"""Whom the finder sees: which of the tracks, or somebody new."""

from dataclasses import dataclass

import numpy as np

from model.finder.base import LEAST_SCORE, Found
from model.people.assignment import best_pairs
from model.people.member import Member
from model.people.similarity import distance, joint_similarity, overlap

_LEAST_SIMILARITY = 0.3
_SAME = 0.6
"""Similarity to a person that is seen, from which on a sighting that is left over is that person once more."""
_NEAR, _FARTHER, _FARTHEST = 0.6, 0.06, 2.0
"""How far from where they should be a lost person may come back, in sides of the box: at once, more for every frame, at
most."""
_LEAST_SIZE_RATIO = 0.5
_LOST_WEIGHT = 0.5
"""A sighting goes rather to a person that is seen there than to one that is waited for."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Sightings beside those of people who are seen anyway.

    Attributes:
        back: (index of the member, sighting): whoever is lost and may have come back; and with them those who were
            mixed up with somebody.
        new: the others, the clearest first.
    """

    back: list[tuple[int, Found]]
    new: list[Found]


def match(members: list[Member], found: list[Found], image_size: tuple[int, int]) -> Matches:
    """Sort the finder's sightings by who they are."""
    clear = [one for one in found if one.score >= LEAST_SCORE]
    values = np.zeros((len(members), len(clear)))
    for i, member in enumerate(members):
        values[i] = [_similarity(member, one, image_size) for one in clear]
    pairs = best_pairs(values) if values.size else []
    taken = {column for _, column in pairs}
    back = [(row, clear[column]) for row, column in pairs if members[row].seen is None or members[row].shared]
    if all(members[row].there for row, _ in back):
        back = []  # whoever is seen and mixed up with nobody who is back stays as they are
    new = [one for j, one in enumerate(clear) if j not in taken and not _is_seen(one, members)]
    return Matches(back, new)


def _is_seen(found: Found, members: list[Member]) -> bool:
    """Whether a sighting is of somebody who is seen anyway."""
    return any(_likeness(member, found) >= _SAME for member in members if member.there)


def _similarity(member: Member, found: Found, image_size: tuple[int, int]) -> float:
    """0 where they cannot be one person, to 1."""
    if not member.there or member.shared:
        return _LOST_WEIGHT * _nearness(member, found, image_size)
    value = _likeness(member, found)
    return value if value >= _LEAST_SIMILARITY else 0.0


def _likeness(member: Member, found: Found) -> float:
    """By joints and box, of somebody who is seen."""
    box = member.seen
    if box is None or member.reading is None:
        return 0.0
    return (joint_similarity(member.reading.person.pose, found.xy, box.w * box.h) + overlap(box, found.region)) / 2


def _nearness(member: Member, found: Found, image_size: tuple[int, int]) -> float:
    """How well a sighting goes with a lost person: near where they should be, and of their size."""
    track = member.expected(image_size)
    sizes = [max(region.w, region.h) for region in (track.last_region, found.region)]
    if min(sizes) < _LEAST_SIZE_RATIO * max(sizes):
        return 0.0
    reach = min(_NEAR + _FARTHER * track.lost_frames, _FARTHEST) * sizes[0]
    return max(0.0, 1 - distance(track.box, found.region) / reach)
