"""Two tracks on one body: one keeps it, and the other is not seen.

People who cross are one body to the network while the front one hides the other. Whose body it is tell the boxes'
velocities; the other waits where it should be behind it, with its memory as it was.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from model.people.member import Member, predicted
from model.people.similarity import distance, joint_similarity, overlap
from model.state import TrackState
from model.values import Pose, Region

ONE_BODY = 0.75
"""OKS of two tracks' joints from which on they are one body's."""

MERGE_PATIENCE = 25
"""Frames in a row that a track is not seen, and should be where another one is seen, after which it ends: longer than
people take to pass one another."""

_MERGED_OVERLAP = 0.5
_CLEARLY_NEARER = 0.02
"""Share of the box's longer side by which one track's prediction has to be nearer than the other's."""


def on_one_body(one: Member, other: Member) -> bool:
    """Whether both are seen, with the same joints."""
    first, second = one.seen, other.seen
    if first is None or second is None or one.reading is None or other.reading is None:
        return False
    area = max(first.w * first.h, second.w * second.h)
    mine, theirs = one.reading.person.pose, other.reading.person.pose
    both = Pose(mine.xy_px, np.minimum(mine.score, theirs.score))
    return joint_similarity(both, theirs.xy_px, area) >= ONE_BODY


def separated(members: list[Member]) -> list[Member]:
    """The same, of which at most one is seen on each body. Two regions that a client gives are two people's."""
    kept = list(members)
    for i, j in combinations(range(len(kept)), 2):
        if kept[i].is_given and kept[j].is_given:
            continue
        if on_one_body(kept[i], kept[j]):
            winner, loser = (i, j) if _keeps(kept[i], kept[j]) else (j, i)
            kept[winner] = replace(kept[winner], shared=True)
            kept[loser] = replace(kept[loser], hidden=True)
    kept = _each_on_course(kept)
    return [replace(member, shared=member.shared or _is_still_shared(member, kept)) for member in kept]


def _is_still_shared(member: Member, members: list[Member]) -> bool:
    """Whether somebody should still be behind a person, or beside, who was not seen before."""
    before = member.before
    if before is None or before.course is None or not member.there or member.is_given:
        return False
    return any(
        overlap(other.before.box, box) > 0
        for other in members
        if other.before is not None and not other.there
        for box in (before.box, predicted(before))
    )


def _come_apart(one: Member, other: Member) -> bool:
    """Whether both are seen, one of them for the first time after they were mixed up."""
    if one.before is None or other.before is None or not (one.there and other.there):
        return False
    mixed_up = one.before.course is not None or other.before.course is not None
    lost = bool(one.before.lost_frames) != bool(other.before.lost_frames)
    return mixed_up and lost and overlap(one.before.box, other.before.box) > 0


def _are_swapped(one: Member, other: Member) -> bool:
    """Whether each is where the other one should be."""
    assert one.before is not None  # they have come apart
    assert other.before is not None
    straight = _miss(one, one.before) + _miss(other, other.before)
    crossed = _miss(one, other.before) + _miss(other, one.before)
    return crossed + _CLEARLY_NEARER < straight


def _each_on_course(members: list[Member]) -> list[Member]:
    """The same, of whom those who have come apart in this frame are each where they should be."""
    kept = list(members)
    for i, j in combinations(range(len(kept)), 2):
        one, other = kept[i], kept[j]
        if _come_apart(one, other) and _are_swapped(one, other):
            kept[i], kept[j] = replace(one, reading=other.reading), replace(other, reading=one.reading)
    return kept


def taken_back(members: list[Member], again: dict[int, Member]) -> list[Member]:
    """The members after some were read where the finder saw them, by index: those who are lost, if they are back.

    Those who were mixed up with them are then where the finder saw them, too.
    """
    mixed_up = {index: member for index, member in again.items() if members[index].there}
    others = {**dict(enumerate(members)), **mixed_up}
    back: dict[int, Member] = {}
    for index, member in again.items():
        if index not in mixed_up and not any(on_one_body(member, {**others, **back}[i]) for i in others if i != index):
            back[index] = member
    if back:
        back |= {i: one for i, one in mixed_up.items() if not any(on_one_body(one, other) for other in back.values())}
    return _each_on_course([back.get(index, member) for index, member in enumerate(members)])


def is_merged(track: TrackState, others: list[Region]) -> bool:
    """Whether a lost track has been behind one of these people for so long that there is one person."""
    return track.lost_frames > MERGE_PATIENCE and any(overlap(track.box, box) >= _MERGED_OVERLAP for box in others)


def _keeps(older: Member, younger: Member) -> bool:
    """Whether the older one keeps the body: as the client says, whose it was, whoever should be nearer, else by age."""
    if older.is_given != younger.is_given or older.before is None or younger.before is None:
        return older.is_given
    if bool(older.before.lost_frames) != bool(younger.before.lost_frames):
        return not older.before.lost_frames
    mine, theirs = _miss(older, older.before), _miss(younger, younger.before)
    return mine <= theirs + _CLEARLY_NEARER


def _miss(member: Member, before: TrackState) -> float:
    """How far from where it should be a track is seen, over the box's longer side."""
    assert member.seen is not None  # both are on one body
    return distance(member.seen, predicted(before)) / max(before.box.w, before.box.h)
