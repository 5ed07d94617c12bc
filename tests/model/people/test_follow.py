"""Several people in one session, with an engine and a finder that see dots."""

from dataclasses import replace

import numpy as np
import pytest

from model.engines.base import EngineError, ModelInput, ModelOutput
from model.finder.decode import Person17
from model.people.follow import SEARCH_EVERY
from model.requests import EndedTrack, EndReason, Tracked, TrackRequest
from model.state import SessionState
from model.state_codec import decode_state, encode_state
from model.track_reading import TRACK_PATIENCE
from model.tracker import Tracker
from model.values import Array, Frame, Region, RegionSource
from tests.support.dots import DotEngine, DotFinder, person, picture

HERE, THERE = (60, 60), (190, 60)
BESIDE_ONE = SEARCH_EVERY * 3 // 2
"""Frames between two looks while one person is seen."""


class Session:
    """A session of up to `most` people; its frames are read one by one, or its state on the way through bytes."""

    def __init__(self, most: int = 4, through_bytes: bool = False) -> None:
        self.engine, self.finder = DotEngine(), DotFinder()
        self.tracker = Tracker(self.engine, "digest", self.finder)
        self.most = most
        self.through_bytes = through_bytes
        self.state: SessionState | None = None
        self.seq = 0

    def request(self, frame: Frame, regions: tuple[Region, ...] = ()) -> TrackRequest:
        """The next frame."""
        return TrackRequest(frame, self.seq, self.state, regions, self.most)

    def read(self, frame: Frame, regions: tuple[Region, ...] = ()) -> Tracked:
        """Read the next frame."""
        [answer] = self.tracker.step([self.request(frame, regions)])
        assert isinstance(answer, Tracked), answer
        self.state = decode_state(encode_state(answer.state)) if self.through_bytes else answer.state
        self.seq += 1
        return answer


def _people(*corners: tuple[float, float], shade: int = 0) -> Frame:
    """People whose top left corners these are, before a grey of this shade."""
    parts = [picture(person(x, y, 100), width=480).rgb for x, y in corners]
    frame: Array = np.maximum.reduce([np.zeros((240, 480, 3), np.uint8), *parts])
    frame[..., 2] = shade
    return Frame(frame)


def _seen(tracked: Tracked) -> tuple[list[int], list[int]]:
    return [one.track_id for one in tracked.people], [one.track_id for one in tracked.lost]


def _places(tracked: Tracked) -> dict[int, int]:
    """Where each person's joints lie, by number, in steps of ten pixels."""
    return {one.track_id: round(float(one.pose.xy_px[:, 0].mean()) / 10) for one in tracked.people}


def test_everybody_is_found_in_the_first_frame() -> None:
    """Each as a track of their own, and followed without another look."""
    session = Session()
    first = session.read(_people(HERE, THERE))
    assert _seen(first) == ([1, 2], [])
    assert {one.region_source for one in first.people} == {RegionSource.SEARCHED}
    second = session.read(_people((64, 60), (186, 60)))
    assert {one.region_source for one in second.people} == {RegionSource.TRACKED}
    assert sorted(_places(second).values()) == [11, 24]
    assert session.finder.looks == 1


@pytest.mark.parametrize(("there", "frames"), [([HERE], BESIDE_ONE), ([HERE, THERE], SEARCH_EVERY), ([], SEARCH_EVERY)])
def test_whoever_comes_is_found_at_the_next_look(there: list[tuple[int, int]], frames: int) -> None:
    """Under a new number; whom somebody follows is not found again. Beside one person alone looks are rarer."""
    session = Session()
    session.read(_people(*there))
    before, after = [1, 2][: len(there)], [1, 2, 3][: len(there) + 1]
    for _ in range(frames - 1):
        assert _seen(session.read(_people(*there, (330, 60)))) == (before, [])
    assert _seen(session.read(_people(*there, (330, 60)))) == (after, [])
    assert session.finder.looks == 2


def test_in_a_slow_stream_whoever_comes_is_found_after_a_second() -> None:
    """By the frames' own times, and four times as soon where somebody is lost; also through a stored state."""
    session = Session(through_bytes=True)

    def read(us: int, *corners: tuple[int, int]) -> tuple[list[int], list[int]]:
        return _seen(session.read(replace(_people(*corners), pts_us=us)))

    assert read(5_000_000, HERE) == ([1], [])
    assert read(5_500_000, HERE, THERE) == ([1], [])
    assert read(6_000_000, HERE, THERE) == ([1, 2], [])
    assert read(6_200_000, HERE) == ([1], [2])
    looks = session.finder.looks
    assert read(6_400_000, HERE) == ([1], [2])
    assert read(6_450_000, HERE) == ([1], [2])
    assert session.finder.looks == looks + 1


def test_nobody_is_looked_for_where_there_is_no_room() -> None:
    """All who may be followed are."""
    session = Session(most=2)
    for _ in range(2 * SEARCH_EVERY):
        assert _seen(session.read(_people(HERE, THERE, (330, 60)))) == ([1, 2], [])
    assert session.finder.looks == 1


def test_nobody_is_nobody() -> None:
    """No track and no number; the finder's next look finds whoever comes."""
    session = Session()
    empty = session.read(_people())
    assert (empty.people, empty.lost, empty.state.tracks, empty.state.next_id) == ((), (), (), 1)
    for _ in range(SEARCH_EVERY):
        last = session.read(_people(HERE))
    assert _seen(last) == ([1], [])


def test_what_the_finder_sees_and_the_network_does_not_is_nobody() -> None:
    """Presence is the network's own."""
    session = Session()
    session.finder.find = lambda pictures: [[_phantom()] for _ in pictures]  # type: ignore[method-assign]
    assert _seen(session.read(_people())) == ([], [])


def test_a_person_who_comes_back_keeps_the_number() -> None:
    """Within the patience; the finder looks for them at once and then more often."""
    session = Session()
    session.read(_people(HERE, THERE))
    assert _seen(session.read(_people(HERE))) == ([1], [2])
    assert session.finder.looks == 2
    for _ in range(9):
        assert _seen(session.read(_people(HERE))) == ([1], [2])
    back = [session.read(_people(HERE, (200, 62))) for _ in range(4)][-1]
    assert _seen(back) == ([1, 2], [])
    assert _places(back)[2] == 25


def test_a_track_ends_after_its_patience() -> None:
    """Whoever comes then is somebody new."""
    session = Session()
    session.read(_people(HERE, THERE))
    ended = [end for _ in range(TRACK_PATIENCE + 1) for end in session.read(_people(HERE)).ended]
    assert ended == [EndedTrack(2, EndReason.LOST)]
    last = [session.read(_people(HERE, THERE)) for _ in range(BESIDE_ONE)][-1]
    assert _seen(last) == ([1, 3], [])


def test_whoever_is_there_takes_the_place_of_one_who_is_lost() -> None:
    """Far from where the other was lost, with room for two only."""
    session = Session(most=2)
    session.read(_people(HERE, (350, 130)))
    session.read(_people(HERE))
    found = [session.read(_people(HERE, (190, 10))) for _ in range(4)]
    assert _seen(found[-1]) == ([1, 3], [])
    assert [end for tracked in found for end in tracked.ended] == [EndedTrack(2, EndReason.REPLACED)]


def test_two_tracks_on_one_body_are_one() -> None:
    """The older one's; the other one waits, and ends where it never comes apart."""
    session = Session()
    region = Region(70, 60, 80, 100)
    twice = session.read(_people(HERE), regions=(region, replace(region, x=72)))
    assert _seen(twice) == ([1, 2], [])  # the client says so
    later = [session.read(_people(HERE)) for _ in range(30)]
    assert {tuple(_seen(tracked)[0]) for tracked in later} == {(1,)}
    assert [end for tracked in later for end in tracked.ended] == [EndedTrack(2, EndReason.MERGED)]


def test_a_cut_to_another_scene_starts_new_numbers() -> None:
    """All are lost at once, and the picture is another one."""
    session = Session()
    session.read(_people((10, 10), (120, 10)))
    cut = session.read(_people((350, 130), shade=200))
    assert _seen(cut) == ([3], [])
    assert cut.ended == (EndedTrack(1, EndReason.SCENE_CUT), EndedTrack(2, EndReason.SCENE_CUT))


def test_people_who_vanish_in_one_scene_are_lost() -> None:
    """The picture is the same: they may come back."""
    session = Session()
    session.read(_people(HERE, THERE))
    gone = session.read(_people())
    assert (_seen(gone), gone.ended) == (([], [1, 2]), ())


def test_a_session_goes_on_from_bytes_to_the_last_bit() -> None:
    """Through looks, losses and returns."""
    kept, stored = Session(), Session(through_bytes=True)
    frames = [_people(HERE, THERE)] * 3 + [_people((70, 60))] * 9 + [_people((70, 60), (200, 60))] * 6
    for frame in frames:
        mine, theirs = kept.read(frame), stored.read(frame)
        assert encode_state(mine.state) == encode_state(theirs.state)
        for one, other in zip(mine.people, theirs.people, strict=True):
            np.testing.assert_array_equal(one.pose.xy_px, other.pose.xy_px)


def test_frames_of_several_sessions_give_what_each_gives_alone() -> None:
    """With one person, with several, with and without a look of the finder."""
    one, two = Session(most=1), Session()
    two.read(_people(HERE, THERE))
    requests = [one.request(_people(THERE)), two.request(_people(HERE)), Session().request(_people(HERE, THERE))]
    together = one.tracker.step(requests)
    for request, answer in zip(requests, together, strict=True):
        [alone] = one.tracker.step([request])
        assert isinstance(alone, Tracked)
        assert isinstance(answer, Tracked)
        assert encode_state(answer.state) == encode_state(alone.state)


def test_a_frame_of_many_people_takes_turns_with_others() -> None:
    """No pass has more than two of its inputs, and none has both crops and a picture for the finder."""
    session = Session(most=16)
    frame = _people((10, 20), (120, 20), (230, 20), (340, 20))
    assert len(session.read(frame).people) == 4
    session.read(frame)
    assert max(session.engine.batches) == 2


def test_one_person_is_looked_for_by_the_finder_first() -> None:
    """Whom the network sees clearly there is followed, and no window is read; windows find whom the finder misses."""
    clear, missed = Session(most=1), Session(most=1)
    assert _seen(clear.read(_people(HERE))) == ([1], [])
    assert (clear.finder.looks, sum(clear.engine.batches)) == (1, 4)
    missed.finder.find = lambda pictures: [[] for _ in pictures]  # type: ignore[method-assign]
    assert _seen(missed.read(_people(HERE))) == ([1], [])
    assert sum(missed.engine.batches) > 4


class _Dim(DotEngine):
    """Sees people, but none of them clearly."""

    def _read(self, item: ModelInput) -> ModelOutput:
        output = super()._read(item)
        return replace(output, m=output.m * np.float32(0.2), carry=output.carry * np.float32(0.2))


@pytest.mark.parametrize(("score", "people"), [(0.9, [1]), (0.12, [])])
def test_the_finder_and_the_network_have_to_be_sure_together(score: float, people: list[int]) -> None:
    """Whom the network sees faintly is somebody where the finder is sure of them, also if a window shows them."""
    session = Session(most=1)
    session.tracker = Tracker(_Dim(), "digest", session.finder)
    find = session.finder.find
    session.finder.find = lambda pictures: [  # type: ignore[method-assign]
        [replace(one, score=score) for one in found] for found in find(pictures)
    ]
    assert _seen(session.read(_people(HERE))) == (people, [])


class _HalfBodies(DotEngine):
    """Sees people before a blue wall faintly, as a network does whose people have no legs in the picture."""

    def _read(self, item: ModelInput) -> ModelOutput:
        output = super()._read(item)
        faint = np.float32(0.25 if np.median(item.image[..., 2]) > 100 else 1.0)
        return replace(output, m=output.m * faint, carry=output.carry * faint)


def test_whom_the_finder_is_sure_of_may_be_the_most_prominent() -> None:
    """A large person who is read faintly is followed, and not somebody small and clear at the edge."""
    session = Session(most=1)
    session.tracker = Tracker(_HalfBodies(), "digest", session.finder)
    large = picture(person(150, 30, 190), width=480, radius=6).rgb
    small = picture(person(2, 180, 50), width=480, radius=2).rgb
    frame: Array = np.maximum(large, small)
    frame[:, 100:, 2] = 200
    assert 15 < _places(session.read(Frame(frame)))[1] < 30


def test_one_person_who_is_lost_is_looked_for_by_the_finder_now_and_then() -> None:
    """Not in every frame, and never while they are seen."""
    session = Session(most=1)
    for _ in range(20):
        session.read(_people(HERE))
    assert session.finder.looks == 1
    for _ in range(20):
        assert _seen(session.read(_people())) == ([], [1])
    assert 2 <= session.finder.looks <= 6
    back = [session.read(_people((70, 62))) for _ in range(4)][-1]
    assert _seen(back) == ([1], [])


def test_a_state_of_another_finder_starts_afresh() -> None:
    """Under numbers that nobody had."""
    session = Session()
    session.read(_people(HERE))
    other = DotFinder()
    other.digest = "other"
    session.tracker = Tracker(DotEngine(), "digest", other)
    assert _seen(session.read(_people(HERE))) == ([2], [])


def test_a_finder_that_fails_is_nobodys_fault() -> None:
    """EngineError passes through, for the caller to deal with."""

    class Broken(DotFinder):
        def find(self, pictures: object) -> list[list[Person17]]:
            raise EngineError("gone", sticky=True)

    session = Session()
    session.tracker = Tracker(DotEngine(), "digest", Broken())
    with pytest.raises(EngineError, match="gone"):
        session.read(_people(HERE))


def test_regions_are_the_oldest_tracks_own() -> None:
    """Others start tracks, in their order; people whom the client does not name are found besides."""
    session = Session()
    first = session.read(_people(HERE, THERE, (330, 60)), regions=(Region(200, 60, 80, 100), Region(70, 60, 80, 100)))
    assert _places(first) == {1: 24, 2: 11, 3: 38}
    assert [one.region_source for one in first.people] == ["given", "given", "searched"]


def _phantom() -> Person17:
    xy = np.random.default_rng(0).uniform(0.3, 0.6, (17, 2))
    return Person17(np.array([0.3, 0.3, 0.6, 0.6]), xy, np.full(17, 0.9, np.float32), 0.9)
