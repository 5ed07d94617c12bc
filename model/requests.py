"""What a tracker is asked and what it answers: one frame of a session."""

from dataclasses import dataclass
from enum import StrEnum

from model.state import SessionState
from model.values import Frame, LostTrack, Person, Region


class FrameSizeMismatch(ValueError):
    """The frame is not of the session's size."""


class RegionOutside(ValueError):
    """A region has no pixel of the frame in it."""


class TooManyRegions(ValueError):
    """More regions are given than people may be followed."""


class EndReason(StrEnum):
    """Why a track ended."""

    LOST = "lost"
    """Not seen for longer than the patience."""
    REPLACED = "replaced"
    """Somebody else was found, and there is no room for both."""
    MERGED = "merged"
    """An older track has been on the same body for longer than the patience for it."""
    SCENE_CUT = "scene_cut"
    """Another scene: everybody was lost at once, and the picture is another one."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackRequest:
    """One frame to read.

    Attributes:
        frame, seq: the picture and its number.
        state: what the previous frame left behind; None starts a session.
        regions: boxes of people, at most `max_people`: the first belongs to the oldest track, and so on; one without a
            track starts one, so that in the first frame their order is that of the numbers. Whoever has none is
            followed by their joints, and looked for where there is nobody to follow.
        max_people: how many people are followed, 1 to `MOST_TRACKS`.
    """

    frame: Frame
    seq: int
    state: SessionState | None = None
    regions: tuple[Region, ...] = ()
    max_people: int = 1


@dataclass(frozen=True, slots=True)
class EndedTrack:
    """A track that ended in this frame: its number is never used again."""

    track_id: int
    reason: EndReason


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What was read of one frame.

    Attributes:
        people: who is there, by number.
        lost: who is not seen and may come back, by number.
        state: what the next frame needs.
        readings: every track that was read, in the order of `state.tracks`, those also where nobody is. Their joints
            are the best guess then. What is measured against the truth; clients never see them.
        ended: whose track ended with this frame.
    """

    people: tuple[Person, ...]
    lost: tuple[LostTrack, ...]
    state: SessionState
    readings: tuple[Person, ...]
    ended: tuple[EndedTrack, ...] = ()
