"""Looking for a person where nothing is known: square windows over the whole frame, coarse to fine.

The number of windows is bounded whatever the frame's shape: in a strip they lie apart from one another.
"""

from dataclasses import dataclass
from itertools import product

from model.coords import letterbox_transform, region_to_transform
from model.finder.base import LEAST_SCORE
from model.finder.look import people_in
from model.passes import Passes
from model.reading import CLEARLY, Candidate, best_candidate, strength_of, turned
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
LEAST_STRENGTH = 0.35
"""Strength from which on somebody who is found in so many windows, and not by the finder, is somebody. Chosen on JHMDB
val and pictures of nobody (docs/training.md): 0.25 leaves 25 false people in 892 frames, 0.35 leaves 4."""
_REFINEMENTS = 2
_MOST_FOUND = 4
"""Of those that the finder sees, the clearest so many are read."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody who was found.

    Attributes:
        region: their box.
        turn: radians, in which they are seen best.
        least_strength: strength from which on it is somebody: none where the finder saw them, too.
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
    best, least = None, LEAST_STRENGTH
    if finder_size is not None and _looks_around(lost_frames):
        best = yield from _found_clearest(frame, input_size, finder_size)
        least = 0.0
    if best is None or best.strength < _GOOD_STRENGTH:
        seen = yield from _search_windows(frame, lost_frames, input_size)
        if best is None or seen.strength > best.strength:
            best, least = seen, LEAST_STRENGTH
    for _ in range(_REFINEMENTS):
        region = seen_box(best.pose, best.presence, frame.size)
        if region is None:
            return None
        best = yield from best_candidate(frame, [region_to_transform(region, input_size, turn=best.transform.rotation)])
    region = seen_box(best.pose, best.presence, frame.size)
    found = region is not None and best.strength >= least
    return Sighting(region, best.transform.rotation, least) if region is not None and found else None


def _found_clearest(frame: Frame, input_size: int, finder_size: int) -> Passes[Candidate | None]:
    """Whom the network sees most clearly of those that the finder does; None where it sees nobody."""
    people = [one for one in (yield from people_in(frame, finder_size)) if one.score >= LEAST_SCORE][:_MOST_FOUND]
    if not people:
        return None
    return (yield from best_candidate(frame, [region_to_transform(one.region, input_size) for one in people]))


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
