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
_CLEARLY_NEARER = 0.05
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
        if on_one_body(kept[i], kept[j]) and not (kept[i].is_given and kept[j].is_given):
            loser = j if _keeps(kept[i], kept[j]) else i
            if kept[loser].before is not None:
                kept[loser] = replace(kept[loser], hidden=True)
    return kept


def is_merged(track: TrackState, others: list[Region]) -> bool:
    """Whether a lost track has been behind one of these people for so long that there is one person."""
    return track.lost_frames > MERGE_PATIENCE and any(overlap(track.box, box) >= _MERGED_OVERLAP for box in others)


def _keeps(older: Member, younger: Member) -> bool:
    """Whether the older one keeps the body: whose it was, whoever should be nearer, else by age."""
    if older.before is None or younger.before is None:
        return older.before is not None or younger.before is None
    if bool(older.before.lost_frames) != bool(younger.before.lost_frames):
        return not older.before.lost_frames
    mine, theirs = _miss(older, older.before), _miss(younger, younger.before)
    return mine <= theirs + _CLEARLY_NEARER


def _miss(member: Member, before: TrackState) -> float:
    """How far from where it should be a track is seen, over the box's longer side."""
    assert member.seen is not None  # both are on one body
    return distance(member.seen, predicted(before)) / max(before.box.w, before.box.h)
