"""A tracker over scenes of several people, over pictures of nobody, and over clips of one person without a region."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from model.people.similarity import overlap
from model.region import box_from_joints
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Array, Frame, Person, Region
from training.datasets.person import Clip
from training.evaluation.identities import Identities, identities
from training.evaluation.run import read
from training.people.scenes import Scene

FRAMES_OF_A_PICTURE = 4
"""A picture of nobody is a clip of so many frames that stay as they are: the first is looked at most thoroughly, in the
others people are looked for as in a scene that is empty."""

_TOLERANCE = 0.2
"""Share of the longer side of the person's box within which a joint is right."""

_FOUND = 0.3
"""Overlap with the true box from which on a person is found."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of so many frames.

    Attributes:
        frames: looked at.
        count: people read where nobody is, or frames whose person was found.
    """

    frames: int = 0
    count: int = 0

    @property
    def percent(self) -> float:
        """A hundred frames' share."""
        return 100.0 * self.count / max(1, self.frames)

    def __add__(self, other: "Shares") -> "Shares":
        """Of both."""
        return Shares(self.frames + other.frames, self.count + other.count)


def answers(tracker: Tracker, frames: Iterable[Frame], max_people: int) -> Iterator[Tracked]:
    """A session's answers, from its first frame on, without any region."""
    state = None
    for seq, frame in enumerate(frames):
        answer = read(tracker, TrackRequest(frame, seq, state, max_people=max_people))
        state = answer.state
        yield answer


def followed(tracker: Tracker, composed: Iterable[Scene], max_people: int) -> dict[str, Identities]:
    """How well people of every kind of scene are followed."""
    figures: dict[str, Identities] = defaultdict(Identities)
    for scene in composed:
        frames, truth = zip(*scene.moments(), strict=True)
        people = [answer.people for answer in answers(tracker, frames, max_people)]
        figures[scene.kind] += identities(truth, people)
    return dict(figures)


def false_people(tracker: Tracker, pictures: Iterable[tuple[str, Array]], max_people: int) -> dict[str, Shares]:
    """People who are read in pictures (kind, uint8 [H, W, 3]) of nobody, by the kind."""
    figures: dict[str, Shares] = defaultdict(Shares)
    for kind, picture in pictures:
        frames = [Frame(picture)] * FRAMES_OF_A_PICTURE
        false = sum(len(answer.people) for answer in answers(tracker, frames, max_people))
        figures[kind] += Shares(len(frames), false)
    return dict(figures)


def found(tracker: Tracker, clips: Iterable[Clip], max_people: int) -> Shares:
    """Frames of clips in which the labelled person was found, looked for without any region."""
    figures = Shares()
    for clip in clips:
        for t, answer in enumerate(answers(tracker, map(Frame, clip.frames), max_people)):
            figures += Shares(
                1, any(_is_at(person, clip.region(t), answer.state.image_size) for person in answer.people)
            )
    return figures


@dataclass(frozen=True, slots=True)
class Taken:
    """Whom a search of one person takes, over so many frames that are each read as a first one.

    Attributes:
        right: the labelled person's share of them.
        pck: mean share of the labelled joints that are right, by person size; 0 where nobody is taken.
        nobody: how many show nobody to the search.
    """

    right: Shares
    pck: float
    nobody: int


def taken(tracker: Tracker, clips: Iterable[Clip]) -> Taken:
    """Frame 0, the middle and the last frame of each clip."""
    right, shares, nobody = Shares(), [], 0
    for clip in clips:
        for t in sorted({0, len(clip) // 2, len(clip) - 1}):
            [answer] = answers(tracker, [Frame(clip.frames[t])], max_people=1)
            right += Shares(1, any(_is_at(one, clip.region(t), answer.state.image_size) for one in answer.people))
            shares.append(sum(_share_right(one, clip, t) for one in answer.people))
            nobody += not answer.people
    return Taken(right, float(np.mean(shares)), nobody)


def _share_right(person: Person, clip: Clip, t: int) -> float:
    far = np.linalg.norm(person.pose.xy_px - clip.joints[t], axis=1)[clip.labelled[t]]
    return float((far <= _TOLERANCE * max(clip.boxes[t, 2:])).mean())


def _is_at(person: Person, true: Region, image_size: tuple[int, int]) -> bool:
    """Whether the part of a person's box that is in the picture is the true one's: JHMDB's boxes end at its edges."""
    box = box_from_joints(person.pose.xy_px, person.pose.score)
    return box is not None and box.overlaps(*image_size) and overlap(_within(box, image_size), true) >= _FOUND


def _within(box: Region, image_size: tuple[int, int]) -> Region:
    low, high = (
        np.clip(edge, -0.5, np.array(image_size) - 0.5) for edge in ((box.x, box.y), (box.x + box.w, box.y + box.h))
    )
    return Region(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
