"""Looking for a person where nothing is known: square windows over the whole frame, coarse to fine.

The number of windows is bounded whatever the frame's shape: in a strip they lie apart from one another.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from model.coords import letterbox_transform, region_to_transform
from model.finder.base import Found
from model.finder.look import people_in
from model.passes import Passes
from model.people.similarity import overlap
from model.reading import CLEARLY, Candidate, best_candidate, read_candidates, strength_of, turned
from model.region import seen_box
from model.values import Frame, FrameTransform, Region

MOST_COARSE, MOST_FINE, MOST_FINEST = 8, 24, 45
"""Windows of each kind at most, and so what a search may cost."""

_FINE, _FINEST = 0.55, 0.3
"""Sides of the windows, share of the frame's shorter side."""

_OVERLAP_STEP = 0.67
"""Step from window to window over their side: a third of overlap."""

_COARSE_EVERY, _FINE_EVERY = 4, 64
"""Lost frames between two searches of each kind; in the others a person that came back is looked for in the whole frame
at once, which is one pass."""

_GOOD_STRENGTH = 0.35
CLEAR = 0.35
"""From here on it is somebody: strength, plus the score of the finder where it sees them, too. Chosen on JHMDB train
and val and pictures of nobody (docs/training.md)."""
_REFINEMENTS = 2
_MOST_FOUND = 4
"""Of those that the finder sees, the clearest so many are read."""

_READ_SCORE, _FAINT_SCORE = 0.1, 0.05
"""Scores of the finder from which on the network reads a sighting, and from which on one speaks for somebody whom the
network sees at the same place. Lower than where several people are followed: whom they show has to be clear."""
_SAME_PLACE = 0.3
"""Overlap of two boxes from which on they are at the same place."""

_SIZE_WEIGHT, _MIDDLE_WEIGHT = 0.5, 2.0
"""Of several people the one is followed whose strength, times the share of the frame that their box takes to the first
of these, is the largest, the less the farther they are from the frame's middle: exp(-second * distance squared), in
shares of the frame's sides. Chosen on JHMDB train and val and on COCO val (docs/training.md)."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody who was found.

    Attributes:
        region: their box.
        turn: radians, in which they are seen best.
        least_strength: strength from which on it is somebody; the less, the surer the finder is of them.
    """

    region: Region
    turn: float
    least_strength: float


def search_person(
    frame: Frame, lost_frames: int | None, input_size: int, finder_size: int | None
) -> Passes[Sighting | None]:
    """Look for a person in the whole frame; None: nobody.

    Args:
        lost_frames: how many frames in a row nobody was seen, so that an empty scene is not searched thoroughly every
            time; None at the start.
        finder_size: side of the finder's pictures: it is asked first, and where the network sees somebody clearly in
            what it found, no window is read. None: there is no finder.
    """
    people: list[Found] = []
    if finder_size is not None and _looks_around(lost_frames):
        people = [one for one in (yield from people_in(frame, finder_size)) if one.score >= _FAINT_SCORE]
    best = yield from _most_prominent(frame, people, input_size)
    candidates = [] if best is None else [best]
    if best is None or best.strength < _GOOD_STRENGTH:
        seen = yield from _search_windows(frame, lost_frames, input_size)
        if best is None or seen.strength > best.strength:
            candidates.insert(0, seen)
    for candidate in candidates:
        found = yield from _sighting(frame, candidate, people, input_size)
        if found is not None:
            return found
    return None


def _most_prominent(frame: Frame, people: list[Found], input_size: int) -> Passes[Candidate | None]:
    """Of those that the finder sees: the most prominent of those who are clear, else the strongest."""
    seen = [one for one in people if one.score >= _READ_SCORE][:_MOST_FOUND]
    read = yield from read_candidates(frame, [region_to_transform(one.region, input_size) for one in seen])
    clear = [one for one, found in zip(read, seen, strict=True) if one.strength + found.score >= CLEAR]
    if clear:
        return max(clear, key=lambda one: prominence(one, frame.size))
    return max(read, key=strength_of, default=None)


def prominence(one: Candidate, image_size: tuple[int, int]) -> float:
    """How much speaks for following this person rather than another one: who is clear, large and in the middle."""
    box = seen_box(one.pose, one.presence, image_size)
    if box is None:
        return 0.0
    size = np.array(image_size, np.float64)
    low, high = (np.clip(edge, -0.5, size - 0.5) for edge in ((box.x, box.y), (box.x + box.w, box.y + box.h)))
    sides = high - low  # of what lies in the picture
    squared = (((np.array(box.center) - (size - 1) / 2) / size) ** 2).sum()
    return one.strength * float((sides / size).prod() ** _SIZE_WEIGHT * np.exp(-_MIDDLE_WEIGHT * squared))


def _sighting(frame: Frame, candidate: Candidate, people: list[Found], input_size: int) -> Passes[Sighting | None]:
    """The person in a candidate's window, read in a crop of their own; None where that shows nobody."""
    best = last = candidate
    for _ in range(_REFINEMENTS):
        region = seen_box(last.pose, last.presence, frame.size)
        if region is None:
            break
        last = yield from best_candidate(frame, [region_to_transform(region, input_size, turn=last.transform.rotation)])
        best = max(best, last, key=strength_of)
    region = seen_box(best.pose, best.presence, frame.size)
    if region is None:
        return None
    scores = [one.score for one in people if overlap(region, one.region) >= _SAME_PLACE]
    least = CLEAR - max(scores, default=0.0)
    return Sighting(region, best.transform.rotation, least) if best.strength >= least else None


def _search_windows(frame: Frame, lost_frames: int | None, input_size: int) -> Passes[Candidate]:
    """Coarse windows, other turns, fine windows: until one shows a person clearly."""
    coarse = coarse_windows(*frame.size, input_size)
    best = yield from best_candidate(frame, coarse if _looks_around(lost_frames) else coarse[:1])
    if best.strength < _GOOD_STRENGTH and _looks_around(lost_frames):
        other = yield from best_candidate(frame, turned(coarse[0]))
        best = other if other.strength > best.strength + CLEARLY else best
    if best.strength < _GOOD_STRENGTH and _looks_closely(lost_frames):
        closer = yield from _search_closely(frame, input_size)
        best = max(best, closer, key=strength_of)
    return best


def _search_closely(frame: Frame, input_size: int) -> Passes[Candidate]:
    """Smaller and smaller windows, until one shows a person clearly."""
    width, height = frame.size
    best = None
    for windows in (fine_windows, finest_windows):
        transforms = windows(width, height, input_size)
        if not transforms:
            break
        found = yield from best_candidate(frame, transforms)
        best = found if best is None else max(best, found, key=strength_of)
        if best.strength >= _GOOD_STRENGTH:
            break
    assert best is not None  # there is always a fine window
    return best


def _looks_around(lost_frames: int | None) -> bool:
    """Whether all coarse windows are read: at the start, and every few frames while the person is lost."""
    return lost_frames is None or lost_frames % _COARSE_EVERY == 0


def _looks_closely(lost: int | None) -> bool:
    """Fine windows cost many passes: at the start, and while the person is lost less and less often."""
    return lost is None or lost & (lost - 1) == 0 or lost % _FINE_EVERY == 0


def coarse_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """The letterboxed frame, and squares along its longer side where that is clearly longer."""
    whole = letterbox_transform(width, height, input_size)
    if max(width, height) < 1.2 * min(width, height):
        return [whole]
    return [whole, *_squares(width, height, float(min(width, height)), input_size, MOST_COARSE - 1)]


def fine_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """Overlapping squares of about half of the shorter side, for people who are small in the frame."""
    return _squares(width, height, _FINE * min(width, height), input_size, MOST_FINE)


def finest_windows(width: int, height: int, input_size: int) -> list[FrameTransform]:
    """Still smaller squares; none where they would hold fewer pixels than the network reads: nothing more is seen."""
    side = _FINEST * min(width, height)
    return _squares(width, height, side, input_size, MOST_FINEST) if side >= input_size else []


def _squares(width: int, height: int, side: float, input_size: int, most: int) -> list[FrameTransform]:
    """At most `most` squares; along the shorter side there are as many as it needs, which is five at most."""
    short = _positions(min(width, height), side, most)
    long = _positions(max(width, height), side, most // len(short))
    rows, columns = (short, long) if width >= height else (long, short)
    return [FrameTransform(cx, cy, side, input_size) for cy, cx in product(rows, columns)]


def _positions(length: int, side: float, most: int) -> list[float]:
    """Middles of at most `most` windows, evenly over [0, length); by a third over one another where that suffices."""
    if length <= side or most < 2:
        return [(length - 1) / 2]
    count = min(most, 2 + int((length - side) // (side * _OVERLAP_STEP)))
    step = (length - side) / (count - 1)
    return [side / 2 - 0.5 + i * step for i in range(count)]
