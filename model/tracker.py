"""Tracking people: prepare -> forward -> finish for every track of a frame, composed by `step`.

Each request becomes work that hands out the inputs it wants to have read and takes the outputs (`model.passes`). Work
of many sessions runs side by side, so that their inputs share batches, and a request that fails fails alone. An
ordinary frame is one input a person; a frame in which somebody has to be found first is a few passes more. Whoever
drives the work pass by pass (`begin`, `advance`) can let other frames in between, and give up a search that is no
longer wanted.
"""

import hashlib
from itertools import zip_longest

from model.engines.base import Engine
from model.finder.base import Finder
from model.passes import Answer, FrameWork, Passes, Want, WholePicture, side_by_side
from model.people.follow import Follower, LookEvery
from model.requests import (
    EndedTrack,
    EndReason,
    FrameSizeMismatch,
    RegionOutside,
    TooManyRegions,
    Tracked,
    TrackRequest,
)
from model.search import CLEAR, search_person
from model.state import MOST_TRACKS, UNNAMED, SessionState, TrackState
from model.track_reading import LOST_PATIENCE, TRACK_PATIENCE, Place, Reading, read_place
from model.values import Frame, Region, RegionSource

__all__ = [
    "TRACK_PATIENCE",
    "EndReason",
    "EndedTrack",
    "FrameSizeMismatch",
    "RegionOutside",
    "TooManyRegions",
    "TrackRequest",
    "Tracked",
    "Tracker",
]


_ARITHMETIC = "4"
"""Changes when crops, previous maps or joints are computed to other bits than before."""


class Tracker:
    """Reads frames with an engine. Keeps nothing between calls.

    Args:
        engine: the loaded network.
        model_digest: first 16 hexadecimal digits of the weights' sha256.
        finder: finds people. Where one is followed, windows that the network reads come after it: they turn, and so
            find people who lie. Without a finder several people are followed from given regions.
        look_every: how often the finder looks while there is room for more people.

    Attributes:
        state_digest: of the weights, of the engine's signature and of the finder. A state goes on only on its like:
            the same weights on another runtime, precision or instruction set give other joints. On any other state
            people are looked for afresh, under new numbers.
    """

    def __init__(
        self,
        engine: Engine,
        model_digest: str,
        finder: Finder | None = None,
        look_every: LookEvery | None = None,
    ) -> None:
        self.engine = engine
        self.finder = finder
        self.model_digest = model_digest
        self.state_digest = _digest(
            model_digest, engine.signature, _ARITHMETIC, *([finder.digest] if finder is not None else [])
        )
        self.input_size = engine.config.input_size
        self.look_every = look_every or LookEvery()

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """One answer for each request, in order. A request's own failure is returned in its place.

        Raises:
            EngineError: the device failed; no request is to blame.
        """
        work = [self.begin(request) for request in requests]
        while under_way := [one for one in work if not one.done]:
            self.advance([(one, len(one.wants)) for one in under_way])
        return [one.answer() for one in work]

    def begin(self, request: TrackRequest) -> FrameWork[Tracked]:
        """Start on a request, up to its first pass through the network."""
        return FrameWork(self._passes(request))

    def advance(self, parts: list[tuple[FrameWork[Tracked], int]]) -> None:
        """One pass through the network: at most so many inputs of each of these, which must not be done.

        Raises:
            EngineError: the device failed; no request is to blame.
        """
        wants = [one.wants[:most] for one, most in parts]
        answers = iter(self._answers([want for part in wants for want in part]))
        for (one, _), part in zip(parts, wants, strict=True):
            one.resume([next(answers) for _ in part])

    def _answers(self, wants: list[Want]) -> list[Answer]:
        """Crops to the network in one batch, whole pictures to the finder; in the order of `wants`."""
        crops = [want for want in wants if not isinstance(want, WholePicture)]
        pictures = [want.image for want in wants if isinstance(want, WholePicture)]
        outputs = iter(self.engine.infer(crops) if crops else [])
        found = iter(self.finder.find(pictures) if self.finder and pictures else [])
        return [next(found) if isinstance(want, WholePicture) else next(outputs) for want in wants]

    def _passes(self, request: TrackRequest) -> Passes[Tracked]:
        state = self._usable_state(request)
        _check(request, state)
        if self.finder is not None and request.max_people > 1:
            follower = Follower(self.state_digest, self.input_size, self.finder.size, self.look_every)
            return (yield from follower.passes(request, state))
        tracks = state.tracks if state is not None else ()
        places = list(zip_longest(tracks, request.regions)) or [(None, None)]
        reading = [self._read(request, track, region) for track, region in places]
        readings = yield from side_by_side(reading)
        return self._tracked(request, [track for track, _ in places], readings)

    def _usable_state(self, request: TrackRequest) -> SessionState | None:
        state = request.state
        return state if state is not None and state.model == self.state_digest else None

    # -- one track ------------------------------------------------------------------------------------------

    def _read(self, request: TrackRequest, track: TrackState | None, region: Region | None) -> Passes["Reading"]:
        """One track in the frame. `track`: None starts one; `region`: None follows it, or looks for somebody."""
        source = RegionSource.GIVEN
        track_id, last = (track.track_id, track.last_region) if track else (UNNAMED, None)
        turn, least = (track.transform.rotation if track else 0.0), CLEAR
        if region is None and (track is None or track.lost_frames > LOST_PATIENCE):
            source = RegionSource.SEARCHED
            lost_frames, finder_size = track.lost_frames if track else None, self.finder.size if self.finder else None
            found = yield from search_person(request.frame, lost_frames, self.input_size, finder_size)
            if found is None:
                region = track.box if track else _whole(request.frame)
            else:
                region, turn, least = found.region, found.turn, found.least_strength
                track = None  # A person found anew has no past here.
                track_id = track_id if last is not None and _overlap(region, last) else UNNAMED
        elif region is None and track is not None:
            region, source = track.box, RegionSource.TRACKED
        assert region is not None  # each branch above sets it
        # A given region is somebody's; whoever is found where nobody was has to be clear.
        is_new = track_id == UNNAMED and source is not RegionSource.GIVEN
        place = Place(track_id, region, source, last, least if is_new else 0.0)
        return (yield from read_place(request, place, track, turn, self.input_size))

    # -- all of a frame -------------------------------------------------------------------------------------

    def _tracked(self, request: TrackRequest, before: list[TrackState | None], readings: list["Reading"]) -> Tracked:
        """Numbers for those who are new, and who is there, lost or gone."""
        next_id = request.state.next_id if request.state else 1  # of a state of other weights, too
        kept: list[Reading] = []
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


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


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
