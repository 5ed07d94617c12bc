"""A frame of a session that follows several people.

Every track is read where it should be; where two are on one body, one keeps it (`model.people.conflicts`). The finder
looks at the whole frame at the start, every so many frames while there is room for more people, and when somebody is
lost. Whom it sees and nobody follows is read, and is a new person, or one who is back, where the network finds somebody
there, too. Nobody who is seen is looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from model.finder.look import people_in
from model.passes import Passes, side_by_side
from model.people import scene
from model.people.conflicts import is_merged, on_one_body, separated, taken_back
from model.people.matching import Matches, match
from model.people.member import Member, is_over, is_read
from model.requests import EndedTrack, EndReason, Tracked, TrackRequest
from model.state import UNNAMED, SessionState, TrackState
from model.track_reading import Place, Reading, read_place
from model.values import Frame, Region, RegionSource

SEARCH_EVERY, SEARCH_EVERY_US = 16, 1_000_000
"""Frames, or microseconds of the frames' own times, between two looks of the finder while there is room for more
people: whichever comes first. In a slow stream that is the time."""

_SOONER = 4
"""Times as often while somebody is lost."""
_ALONE = 1.5
"""Times as many frames between two looks while one person is seen and nobody is lost: a look costs as much as four of
their frames. The time stays as it is."""


@dataclass(frozen=True, slots=True)
class LookEvery:
    """How often the finder looks while there is room for more people: after so many frames, or so much time."""

    frames: int = SEARCH_EVERY
    us: int = SEARCH_EVERY_US

    def is_due(self, frames: int, us: int, *, seen: int, lost: int) -> bool:
        """Whether it does, so long after the last time, while so many people are seen and so many are waited for."""
        if lost:
            return frames >= max(1, self.frames // _SOONER) or us >= self.us // _SOONER
        return frames >= (_ALONE * self.frames if seen == 1 else self.frames) or us >= self.us


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the people of a session.

    Attributes:
        digest: of all that the answers depend on.
        input_size: side of the network's crops, pixels.
        finder_size: side of the finder's pictures, pixels.
        look_every: how often the finder looks.
    """

    digest: str
    input_size: int
    finder_size: int
    look_every: LookEvery

    def passes(self, request: TrackRequest, state: SessionState | None) -> Passes[Tracked]:
        """Read a frame; `state` is what the frame before left, None where it is of no use."""
        tracks = state.tracks if state is not None else ()
        group = _Group(request, tracks, request.state.next_id if request.state else 1)
        group.members = separated((yield from self._read_tracks(request, group)))
        now = scene.small_picture(request.frame)
        if state is not None and scene.is_another(state.scene, now):
            group.end_scene()
        looked = _Looked.before(request.frame, state)
        if state is None or group.needs_look(looked, self.look_every):
            looked = _Looked(0, request.frame.pts_us)
            yield from self._look(request, group)
        return group.tracked(self.digest, looked, now)

    def _read_tracks(self, request: TrackRequest, group: "_Group") -> Passes[list[Member]]:
        """The tracks of the frame before, and new ones in the regions that are left over."""
        places = list(zip_longest(group.before, request.regions))
        wanted = [(track, region) for track, region in places if region is not None or (track and is_read(track))]
        readings = iter((yield from side_by_side([self._read(request, *place) for place in wanted])))
        return [
            Member(
                track.track_id if track else group.new_id(),
                track,
                next(readings) if (track, region) in wanted else None,
            )
            for track, region in places
        ]

    def _read(self, request: TrackRequest, track: TrackState | None, region: Region | None) -> Passes[Reading]:
        turn = track.transform.rotation if track else 0.0
        if track is None:
            assert region is not None  # places without both are not read
            return read_place(request, Place(UNNAMED, region, RegionSource.GIVEN, None), None, turn, self.input_size)
        source = RegionSource.TRACKED if region is None else RegionSource.GIVEN
        place = Place(track.track_id, region or track.box, source, track.last_region)
        return read_place(request, place, track, turn, self.input_size)

    def _look(self, request: TrackRequest, group: "_Group") -> Passes[None]:
        """The finder's look at the whole frame, and what is read where it sees somebody."""
        found = yield from people_in(request.frame, self.finder_size)
        matches = match(group.members, found, request.frame.size)
        new = matches.new[: max(0, group.room(sum(not group.members[index].there for index, _ in matches.back)))]
        regions = [one.region for one in [*(one for _, one in matches.back), *new]]
        readings = yield from side_by_side([self._read_found(request, region) for region in regions])
        group.take_up(Matches(matches.back, new), readings)

    def _read_found(self, request: TrackRequest, region: Region) -> Passes[Reading]:
        return read_place(request, Place(UNNAMED, region, RegionSource.SEARCHED, None), None, 0.0, self.input_size)


@dataclass(frozen=True, slots=True)
class _Looked:
    """When the finder last looked: so many frames ago, at a frame of this time, and so long ago by this one's."""

    frames: int
    at_us: int | None
    us: int = 0

    @classmethod
    def before(cls, frame: Frame, state: SessionState | None) -> "_Looked":
        """As a frame finds it. Where the frames have no times, none passes."""
        if state is None:
            return cls(0, None)
        at_us = state.looked_us
        us = frame.pts_us - at_us if frame.pts_us is not None and at_us is not None else 0
        return cls(state.looked_ago + 1, at_us, us)


class _Group:
    """Everybody in one frame while it is read.

    Attributes:
        before: the tracks of the frame before that may go on.
        members: who is followed now, the oldest first.
        ended: whose track ended in this frame.
    """

    def __init__(self, request: TrackRequest, before: Sequence[TrackState], next_id: int) -> None:
        self.request = request
        self.before = before
        self.members: list[Member] = []
        self.ended: list[EndedTrack] = []
        self._next_id = next_id

    def new_id(self) -> int:
        """A number that nobody has had."""
        self._next_id += 1
        return self._next_id - 1

    def end_scene(self) -> None:
        """The picture has changed: whoever was followed is gone where nobody at all is seen any more."""
        if any(member.newly_lost for member in self.members) and not any(member.there for member in self.members):
            for member in [member for member in self.members if not member.is_given]:
                self._end(member, EndReason.SCENE_CUT)

    def needs_look(self, looked: _Looked, every: LookEvery) -> bool:
        """Whether the finder looks at this frame."""
        if self.room(0) <= 0:
            return False
        if self.ended or any(member.newly_lost for member in self.members):
            return True  # another scene, or somebody has just been lost
        seen = self._seen()
        return every.is_due(looked.frames, looked.us, seen=seen, lost=len(self.members) - seen)

    def room(self, back: int) -> int:
        """How many more people may be seen, besides so many who are back."""
        return self.request.max_people - self._seen() - back

    def take_up(self, matches: Matches, readings: list[Reading]) -> None:
        """Those who were found and are there: the lost ones under their numbers, the others under new ones."""
        count = len(matches.back)
        again = {
            index: Member(self.members[index].track_id, self.members[index].before, reading)
            for (index, _), reading in zip(matches.back, readings[:count], strict=True)
            if reading.is_there and not reading.track.lost_frames
        }
        self.members = taken_back(self.members, again)
        for reading in readings[count:]:
            member = Member(UNNAMED, None, reading)
            if member.there and not any(on_one_body(member, other) for other in self.members):
                self._make_room()
                self.members.append(replace(member, track_id=self.new_id()))

    def tracked(self, digest: str, looked: _Looked, picture: bytes) -> Tracked:
        """The answer, and what the next frame needs."""
        size = self.request.frame.size
        seen = [box for member in self.members if (box := member.seen) is not None]
        for member in list(self.members):
            track = member.after(size)
            if not member.there and (is_over(track) or is_merged(track, seen)):
                self._end(member, EndReason.LOST if is_over(track) else EndReason.MERGED)
        read = [(member, member.reading.numbered(member.track_id).person) for member in self.members if member.reading]
        return Tracked(
            people=tuple(person for member, person in read if member.there),
            lost=tuple(member.lost(size) for member in self.members if not member.there),
            state=SessionState(
                model=digest,
                image_size=size,
                tracks=tuple(one.after(size) for one in self.members),
                next_id=self._next_id,
                looked_ago=looked.frames,
                scene=picture,
                looked_us=looked.at_us,
            ),
            readings=tuple(person for _, person in read),
            ended=tuple(self.ended),
        )

    def _seen(self) -> int:
        return sum(member.there for member in self.members)

    def _make_room(self) -> None:
        """Whoever has been lost for the longest gives their place to somebody who is there."""
        if len(self.members) >= self.request.max_people:
            lost = [member for member in self.members if not member.there]
            longest = max(lost, key=lambda member: member.before.lost_frames if member.before else 0)
            self._end(longest, EndReason.REPLACED)

    def _end(self, member: Member, reason: EndReason) -> None:
        self.members.remove(member)
        self.ended.append(EndedTrack(member.track_id, reason))
