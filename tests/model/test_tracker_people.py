"""Who is there, who is lost, and under which number, with an engine that sees dots."""

from dataclasses import replace

import numpy as np
import pytest

from model.engines.base import ModelInput, ModelOutput
from model.tracker import TRACK_PATIENCE, EndedTrack, EndReason, TooManyRegions, Tracked, Tracker, TrackRequest
from model.values import Array, Frame, LostTrack, Region
from tests.support.dots import DotEngine, person, picture

HERE, THERE = Region(70, 60, 80, 100), Region(200, 60, 80, 100)


def _tracker() -> Tracker:
    return Tracker(DotEngine(), "digest")


def _one(tracker: Tracker, request: TrackRequest) -> Tracked:
    [answer] = tracker.step([request])
    assert isinstance(answer, Tracked), answer
    return answer


def _two() -> Frame:
    """Two people, in HERE and in THERE; the engine sees one of them in a crop of its own."""
    left, right = (picture(person(x, 60, 100), radius=3).rgb for x in (60, 190))
    return Frame(np.maximum(left, right))


def _seen(tracked: Tracked) -> tuple[list[int], list[int]]:
    return [person.track_id for person in tracked.people], [track.track_id for track in tracked.lost]


def test_the_first_person_of_a_session_is_number_one() -> None:
    """Found or given, and while they stay."""
    tracker, joints = _tracker(), person(60, 60, 100)
    found = _one(tracker, TrackRequest(picture(joints), 0))
    given = _one(tracker, TrackRequest(picture(joints), 0, regions=(HERE,)))
    later = _one(tracker, TrackRequest(picture(joints), 1, found.state))
    assert [_seen(tracked) for tracked in (found, given, later)] == [([1], [])] * 3


def test_nobody_in_the_picture_is_nobody() -> None:
    """Neither a person nor anybody lost, and no number is spent on it; the guess is there for measuring."""
    tracker = _tracker()
    empty = _one(tracker, TrackRequest(picture(None), 0))
    assert (empty.people, empty.lost, empty.state.next_id) == ((), (), 1)
    assert len(empty.readings) == 1
    after = _one(tracker, TrackRequest(picture(person(60, 60, 100)), 1, empty.state))
    assert _seen(after) == ([1], [])


def test_a_person_who_is_not_seen_is_lost_with_the_last_region() -> None:
    """And keeps the number on coming back to where they were."""
    tracker, joints = _tracker(), person(60, 60, 100)
    seen = _one(tracker, TrackRequest(picture(joints), 0, regions=(HERE,)))
    gone = _one(tracker, TrackRequest(picture(None), 1, seen.state))
    still = _one(tracker, TrackRequest(picture(None), 2, gone.state))
    assert gone.people == still.people == ()
    assert gone.lost == still.lost == (LostTrack(1, HERE),)
    assert _seen(_one(tracker, TrackRequest(picture(joints), 3, still.state))) == ([1], [])


class _Dim(DotEngine):
    """Sees people, but none of them clearly."""

    def _read(self, item: ModelInput) -> ModelOutput:
        output = super()._read(item)
        return replace(output, m=output.m * np.float32(0.2), carry=output.carry * np.float32(0.2))


def test_whoever_is_found_in_many_windows_has_to_be_clear() -> None:
    """Or they are nobody; in a region that the client gives a person need not be, there and in the frames after."""
    tracker, joints = Tracker(_Dim(), "digest"), person(60, 60, 100)
    found = _one(tracker, TrackRequest(picture(joints), 0))
    watched = _one(tracker, TrackRequest(picture(joints), 1, found.state))
    assert _seen(found) == _seen(watched) == ([], [])
    given = _one(tracker, TrackRequest(picture(joints), 0, regions=(HERE,)))
    assert _seen(given) == _seen(_one(tracker, TrackRequest(picture(joints), 1, given.state))) == ([1], [])


class _Guessing(DotEngine):
    """Takes everything for somebody, without any joint."""

    def _read(self, item: ModelInput) -> ModelOutput:
        return replace(super()._read(item), presence=1.0)


def test_somebody_without_joints_is_nobody() -> None:
    """Where nobody was, and in a region: there they are lost."""
    tracker = Tracker(_Guessing(), "digest")
    assert _seen(_one(tracker, TrackRequest(picture(None), 0))) == ([], [])
    assert _seen(_one(tracker, TrackRequest(picture(None), 0, regions=(HERE,)))) == ([], [1])


def test_a_given_region_with_nobody_in_it_is_a_person_who_is_lost() -> None:
    """It was read; whom the client means has a number."""
    tracked = _one(_tracker(), TrackRequest(picture(None), 0, regions=(HERE,)))
    assert (tracked.people, tracked.lost) == ((), (LostTrack(1, HERE),))


def test_a_track_ends_after_its_patience() -> None:
    """It is told once; whoever comes then has a new number."""
    tracker, joints = _tracker(), person(60, 60, 100)
    tracked = _one(tracker, TrackRequest(picture(joints), 0, regions=(HERE,)))
    for t in range(1, TRACK_PATIENCE + 1):
        tracked = _one(tracker, TrackRequest(picture(None), t, tracked.state))
        assert (_seen(tracked), tracked.ended) == (([], [1]), ())
    over = _one(tracker, TrackRequest(picture(None), TRACK_PATIENCE + 1, tracked.state))
    assert (_seen(over), over.ended) == (([], []), (EndedTrack(1, EndReason.LOST),))
    back = _one(tracker, TrackRequest(picture(joints), TRACK_PATIENCE + 2, over.state))
    assert (_seen(back), back.ended) == (([2], []), ())


def test_whoever_is_found_elsewhere_is_somebody_else() -> None:
    """The one who was lost has no room any more."""
    tracker = _tracker()
    tracked = _one(tracker, TrackRequest(picture(person(10, 20, 80)), 0, regions=(Region(10, 15, 70, 90),)))
    for t in range(1, 8):
        tracked = _one(tracker, TrackRequest(picture(None), t, tracked.state))
    other = _one(tracker, TrackRequest(picture(person(210, 130, 90)), 8, tracked.state))
    assert (_seen(other), other.ended) == (([2], []), (EndedTrack(1, EndReason.REPLACED),))


def test_several_regions_start_several_tracks_in_their_order() -> None:
    """Each is followed with its own past, in any order of places."""
    tracker, engine = _tracker(), DotEngine()
    tracker.engine = engine
    first = _one(tracker, TrackRequest(_two(), 0, regions=(THERE, HERE), max_people=2))
    second = _one(tracker, TrackRequest(_two(), 1, first.state, max_people=2))
    for tracked in (first, second):
        assert _seen(tracked) == ([1, 2], [])
        assert _middles(tracked)[0] > 190 > _middles(tracked)[1]
    assert engine.batches == [2, 2]
    assert not any(item.fresh for item in engine.seen[2:])


def test_tracks_of_one_frame_give_what_each_gives_alone() -> None:
    """To the last bit."""
    tracker = _tracker()
    together = _one(tracker, TrackRequest(_two(), 0, regions=(HERE, THERE), max_people=2))
    alone = [_one(tracker, TrackRequest(_two(), 0, regions=(region,))) for region in (HERE, THERE)]
    for mine, theirs in zip(together.people, alone, strict=True):
        np.testing.assert_array_equal(mine.pose.xy_px, theirs.people[0].pose.xy_px)


def test_many_tracks_are_read_in_passes_that_others_share() -> None:
    """No other session's frame waits for sixteen inputs."""
    tracker, engine = _tracker(), DotEngine()
    tracker.engine = engine
    regions = tuple(Region(60 + n, 60, 80, 100) for n in range(6))
    tracked = _one(tracker, TrackRequest(picture(person(60, 60, 100)), 0, regions=regions, max_people=16))
    assert [person.track_id for person in tracked.people] == [1, 2, 3, 4, 5, 6]
    assert engine.batches == [2, 2, 2]


def test_more_regions_than_people_are_refused() -> None:
    """The request is at fault."""
    [answer] = _tracker().step([TrackRequest(_two(), 0, regions=(HERE, THERE))])
    assert isinstance(answer, TooManyRegions)


@pytest.mark.parametrize("most", [0, 17])
def test_impossible_numbers_of_people_are_refused(most: int) -> None:
    """A session follows 1 to 16."""
    [answer] = _tracker().step([TrackRequest(_two(), 0, max_people=most)])
    assert isinstance(answer, ValueError)


def test_numbers_are_not_used_again_after_a_change_of_weights() -> None:
    """The people are looked for afresh, as new ones."""
    tracker = _tracker()
    before = _one(tracker, TrackRequest(_two(), 0, regions=(HERE, THERE), max_people=2))
    other = replace(before.state, model="other")
    after = _one(tracker, TrackRequest(picture(person(60, 60, 100)), 1, other, max_people=2))
    assert _seen(after) == ([3], [])


def _middles(tracked: Tracked) -> list[float]:
    poses: list[Array] = [person.pose.xy_px for person in tracked.people]
    return [float(joints[:, 0].mean()) for joints in poses]
