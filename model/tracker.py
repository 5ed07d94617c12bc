"""Tracking people: prepare -> forward -> finish for every track of a frame, composed by `step`.

Each request becomes work that hands out the inputs it wants to have read and takes the outputs (`model.passes`). Work
of many sessions runs side by side, so that their inputs share batches, and a request that fails fails alone. An
ordinary frame is one input a person; a frame in which somebody has to be found first is a few passes more. Whoever
drives the work pass by pass (`begin`, `advance`) can let other frames in between, and give up a search that is no
longer wanted.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest

from model.coords import region_to_transform
from model.engines.base import Engine, ModelOutput
from model.passes import FrameWork, Passes, side_by_side
from model.reading import CLEARLY, SURELY, best_turn, prepare, read_pose
from model.region import PRESENT, next_box
from model.search import search_person
from model.state import MOST_TRACKS, UNNAMED, SessionState, TrackState, quantise
from model.values import Frame, FrameTransform, LostTrack, Person, Region, RegionSource

LOST_PATIENCE = 4
"""Frames in a row without the person after which the whole frame is searched again."""

TRACK_PATIENCE = 50
"""Frames in a row without the person after which their track ends: whoever comes then is somebody new."""

TURNS_EVERY = 16
"""A track tries other turns at its start, and then every so many frames while somebody is there: three inputs more."""


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
        readings: every track as it was read, in the order of `state.tracks`, those also where nobody is. Their joints
            are the best guess then. What is measured against the truth; clients never see them.
        ended: whose track ended with this frame.
    """

    people: tuple[Person, ...]
    lost: tuple[LostTrack, ...]
    state: SessionState
    readings: tuple[Person, ...]
    ended: tuple[EndedTrack, ...] = ()


class Tracker:
    """Reads frames with an engine. Keeps nothing between calls.

    Args:
        engine: the loaded network.
        model_digest: first 16 hexadecimal digits of the weights' sha256.

    Attributes:
        state_digest: of the weights and of the engine's signature. A state goes on only on its like: the same weights
            on another runtime, precision or instruction set give other joints. On any other state people are looked
            for afresh, under new numbers.
    """

    def __init__(self, engine: Engine, model_digest: str) -> None:
        self.engine = engine
        self.model_digest = model_digest
        self.state_digest = hashlib.sha256(f"{model_digest} {engine.signature}".encode()).hexdigest()[:16]
        self.input_size = engine.config.input_size

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """One answer for each request, in order. A request's own failure is returned in its place.

        Raises:
            EngineError: the device failed; no request is to blame.
        """
        work = [self.begin(request) for request in requests]
        while under_way := [one for one in work if not one.done]:
            self.advance(under_way)
        return [one.answer() for one in work]

    def begin(self, request: TrackRequest) -> FrameWork[Tracked]:
        """Start on a request, up to its first pass through the network."""
        return FrameWork(self._passes(request))

    def advance(self, work: list[FrameWork[Tracked]]) -> None:
        """One pass through the network for all of them, which must not be done.

        Raises:
            EngineError: the device failed; no request is to blame.
        """
        outputs = iter(self.engine.infer([image for one in work for image in one.wants]))
        for one in work:
            one.resume([next(outputs) for _ in one.wants])

    def _passes(self, request: TrackRequest) -> Passes[Tracked]:
        state = self._usable_state(request)
        _check(request, state)
        tracks = state.tracks if state is not None else ()
        places = list(zip_longest(tracks, request.regions)) or [(None, None)]
        reading = [self._read(request, track, region) for track, region in places]
        readings = yield from side_by_side(reading)
        return self._tracked(request, [track for track, _ in places], readings)

    def _usable_state(self, request: TrackRequest) -> SessionState | None:
        state = request.state
        return state if state is not None and state.model == self.state_digest else None

    # -- one track ------------------------------------------------------------------------------------------

    def _read(self, request: TrackRequest, track: TrackState | None, region: Region | None) -> Passes["_Reading"]:
        """One track in the frame. `track`: None starts one; `region`: None follows it, or looks for somebody."""
        source = RegionSource.GIVEN
        track_id, last = (track.track_id, track.last_region) if track else (UNNAMED, None)
        turn = track.transform.rotation if track else 0.0
        if region is None and (track is None or track.lost_frames > LOST_PATIENCE):
            source = RegionSource.SEARCHED
            found = yield from search_person(request.frame, track.lost_frames if track else None, self.input_size)
            if found is None:
                region = track.box if track else _whole(request.frame)
            else:
                (region, turn), track = found, None  # A person found anew has no past here.
                track_id = track_id if last is not None and _overlap(region, last) else UNNAMED
        elif region is None and track is not None:
            region, source = track.box, RegionSource.TRACKED
        assert region is not None  # each branch above sets it
        transform = region_to_transform(region, self.input_size, turn=turn)
        [output] = yield [prepare(request.frame, transform, track)]
        if track is None or (request.seq % TURNS_EVERY == 0 and output.presence >= PRESENT):
            margin = CLEARLY if track is None else SURELY
            turned, output = yield from best_turn(request.frame, transform, output, margin)
            # Maps of another turn do not lie in this one.
            track, transform = (track if turned == transform else None), turned
        return _finish(request, _Place(track_id, region, source, last), transform, output, track)

    # -- all of a frame -------------------------------------------------------------------------------------

    def _tracked(self, request: TrackRequest, before: list[TrackState | None], readings: list["_Reading"]) -> Tracked:
        """Numbers for those who are new, and who is there, lost or gone."""
        next_id = request.state.next_id if request.state else 1  # of a state of other weights, too
        kept: list[_Reading] = []
        ended: list[EndedTrack] = []
        for old, reading in zip(before, readings, strict=True):
            if old is not None and old.track_id not in (UNNAMED, reading.person.track_id):
                ended.append(EndedTrack(old.track_id, EndReason.REPLACED))
            if reading.is_over:
                ended.append(EndedTrack(reading.person.track_id, EndReason.LOST))
                reading = reading.numbered(UNNAMED)
            elif reading.needs_number:
                reading, next_id = reading.numbered(next_id), next_id + 1
            kept.append(reading)
        return Tracked(
            people=tuple(reading.person for reading in kept if reading.is_there),
            lost=tuple(reading.lost for reading in kept if reading.is_lost),
            state=SessionState(self.state_digest, request.frame.size, tuple(one.track for one in kept), next_id),
            readings=tuple(reading.person for reading in kept),
            ended=tuple(ended),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Whom a track is, and where they are looked for. `last`: where they were last seen; None if never."""

    track_id: int
    region: Region
    source: RegionSource
    last: Region | None


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """One track after a frame: what was read, and what it leaves behind."""

    person: Person
    track: TrackState

    @property
    def is_there(self) -> bool:
        return self.person.person_score >= PRESENT

    @property
    def is_lost(self) -> bool:
        return self.person.track_id != UNNAMED and not self.is_there

    @property
    def is_over(self) -> bool:
        return self.is_lost and self.track.lost_frames > TRACK_PATIENCE

    @property
    def needs_number(self) -> bool:
        """A given region is somebody's, whether or not they are seen in it."""
        given = self.person.region_source is RegionSource.GIVEN
        return self.person.track_id == UNNAMED and (self.is_there or given)

    @property
    def lost(self) -> LostTrack:
        return LostTrack(self.person.track_id, self.track.last_region)

    def numbered(self, track_id: int) -> "_Reading":
        return _Reading(replace(self.person, track_id=track_id), replace(self.track, track_id=track_id))


def _finish(
    request: TrackRequest, place: _Place, transform: FrameTransform, output: ModelOutput, track: TrackState | None
) -> _Reading:
    pose = read_pose(output.m, transform)
    last = place.region if place.last is None or output.presence >= PRESENT else place.last
    following = next_box(place.region, pose, output.presence, request.frame.size)
    new_track = TrackState(
        track_id=place.track_id,
        q=quantise(output.q),
        m=quantise(output.carry),
        transform=transform,
        box=following.region,
        last_region=last,
        lost_frames=0 if following.seen else 1 + (track.lost_frames if track else 0),
    )
    return _Reading(Person(place.track_id, output.presence, place.region, place.source, pose), new_track)


def _check(request: TrackRequest, state: SessionState | None) -> None:
    size = request.frame.size
    if not 1 <= request.max_people <= MOST_TRACKS:
        raise ValueError(f"TrackRequest.max_people: expected 1 to {MOST_TRACKS}, got {request.max_people}")
    if state is not None and state.image_size != size:
        expected = "{}x{}".format(*state.image_size)
        raise FrameSizeMismatch(f"expected frames of {expected}, got {size[0]}x{size[1]}")
    if len(request.regions) > request.max_people:
        raise TooManyRegions(f"{len(request.regions)} regions for at most {request.max_people} people")
    if not all(region.overlaps(*size) for region in request.regions):
        raise RegionOutside(f"a region lies outside the frame of {size[0]}x{size[1]}")


def _overlap(one: Region, other: Region) -> bool:
    return abs(one.center[0] - other.center[0]) < (one.w + other.w) / 2 and (
        abs(one.center[1] - other.center[1]) < (one.h + other.h) / 2
    )


def _whole(frame: Frame) -> Region:
    width, height = frame.size
    return Region(-0.5, -0.5, float(width), float(height))
