"""A tracker without a network: deterministic, able to fail and to be held up; the seam between service and model."""

import asyncio
import threading
from collections import deque

import cv2
import numpy as np

from model.coords import region_to_transform
from model.engines.base import ModelInput
from model.passes import WINDOWS_A_PASS, FrameWork, Passes
from model.skeletons import KINEPOSE_13
from model.state import SessionState, TrackState, quantise
from model.tracker import EndedTrack, EndReason, FrameSizeMismatch, RegionOutside, TooManyRegions, Tracked, TrackRequest
from model.values import Array, Frame, LostTrack, Person, Pose, Region, RegionSource

DEADLY = 249
"""A picture of this shade ends its worker, as a crash in native code does: the pass stops, and `struck` says so."""
BROKEN = 250
"""A picture of this shade gets an error of its own, returned in its place."""
POISON = 251
"""A picture of this shade makes the whole batch raise."""
SEARCHED = 252
"""In a picture of this shade the person is looked for, `SEARCH_PASSES` long."""
SEARCH_PASSES = 5
EMPTY = 253
"""In a picture of this shade nobody is."""
GONE = 254
"""In a picture of this shade nobody is, and everybody's track ends."""
APART = 10_000
"""Pixels between the joints of one person and of the next."""

PATIENCE_S = 60.0


class FakeWork(FrameWork[Tracked]):
    """A frame under way."""

    def __init__(self, request: TrackRequest) -> None:
        self.request = request
        super().__init__(_plan(request))


class FakeTracker:
    """Every joint of a frame is a hash of all shades that the session has seen, so any mix-up of states shows.

    Attributes:
        batches: what was computed: (shade, seq) of each frame, a list a pass.
        raises: errors that the next passes raise, one each.
    """

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        self.raises: deque[BaseException] = deque()
        self._gate = threading.Event()
        self._gate.set()
        self._entered = threading.Semaphore(0)
        self._struck = threading.Event()

    def hold(self) -> None:
        """Let the next pass stop in the middle until `let_go`."""
        self._entered = threading.Semaphore(0)
        self._gate.clear()

    def let_go(self) -> None:
        """Go on."""
        self._gate.set()

    async def entered(self) -> None:
        """Wait until a pass is in the middle."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=PATIENCE_S)

    @property
    def struck(self) -> bool:
        """A deadly picture is met: the worker is to be killed."""
        return self._struck.is_set()

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """As model.tracker.Tracker.step."""
        work = [self.begin(request) for request in requests]
        while under_way := [one for one in work if not one.done]:
            self.advance([(one, one.inputs) for one in under_way])
        return [one.answer() for one in work]

    def begin(self, request: TrackRequest) -> FrameWork[Tracked]:
        """As model.tracker.Tracker.begin."""
        return FakeWork(request)

    def advance(self, parts: list[tuple[FrameWork[Tracked], int]]) -> None:
        """As model.tracker.Tracker.advance."""
        requests = [one.request for one, _ in parts if isinstance(one, FakeWork)]
        self.batches.append([(shade_of(request.frame), request.seq) for request in requests])
        self._entered.release()
        assert self._gate.wait(PATIENCE_S)
        if any(shade_of(request.frame) == DEADLY for request in requests):
            self._gate.clear()
            self._struck.set()
            assert self._gate.wait(PATIENCE_S)
            raise SystemExit("killed")
        if self.raises:
            raise self.raises.popleft()
        if any(shade_of(request.frame) == POISON for request in requests):
            raise RuntimeError("a poisoned frame")
        for one, most in parts:
            one.resume([None for _ in one.wants[:most]])  # type: ignore[misc]


def picture(shade: int, size: tuple[int, int] = (48, 32)) -> bytes:
    """A PNG of one shade of grey, width and height as given."""
    done, data = cv2.imencode(".png", grey(shade, size))
    assert done
    return data.tobytes()


def grey(shade: int, size: tuple[int, int] = (48, 32)) -> Array:
    """uint8 [H, W, 3] of one shade."""
    return np.full((size[1], size[0], 3), shade, np.uint8)


def shade_of(frame: Frame) -> int:
    """The shade of a picture made here."""
    return int(frame.rgb[0, 0, 0])


def history(shades: list[int]) -> int:
    """What the joints of the last frame say of a session that saw these shades."""
    value = 0
    for shade in shades:
        value = _next(value, shade)
    return value


def _next(value: int, shade: int) -> int:
    return (31 * value + shade + 1) % 2039


def _plan(request: TrackRequest) -> Passes[Tracked]:
    state, frame = request.state, request.frame
    window = ModelInput(np.zeros((1, 1, 3), np.uint8))
    if state is not None and state.image_size != frame.size:
        raise FrameSizeMismatch(f"expected {state.image_size}, got {frame.size}")
    if len(request.regions) > request.max_people:
        raise TooManyRegions(f"{len(request.regions)} regions for at most {request.max_people} people")
    if not all(region.overlaps(*frame.size) for region in request.regions):
        raise RegionOutside("the region lies outside the frame")
    if shade_of(frame) == BROKEN:
        yield [window]
        raise ZeroDivisionError("a bug met by one frame")
    for _ in range(SEARCH_PASSES - 1 if shade_of(frame) == SEARCHED else 0):
        yield [window] * WINDOWS_A_PASS
    yield [window]
    value = _next(int(state.tracks[0].q.maps()[0, 0, 0]) if state is not None else 0, shade_of(frame))
    return _tracked(request, value)


def _tracked(request: TrackRequest, value: int) -> Tracked:
    """A person for each region, and for each one of the frame before; the number-th one's joints lie apart."""
    before = request.state.tracks if request.state is not None else ()
    count = min(max(len(before), len(request.regions), 1), request.max_people)
    people = tuple(_person(request, value, number) for number in range(count))
    tracks = tuple(_track(person, value) for person in people)
    state = SessionState("0" * 16, request.frame.size, tracks, next_id=count + 1)
    if shade_of(request.frame) == GONE:
        ended = tuple(EndedTrack(track.track_id, EndReason.LOST) for track in before)
        return Tracked((), (), state, people, ended)
    if shade_of(request.frame) == EMPTY:
        lost = tuple(LostTrack(track.track_id, track.last_region) for track in before)
        return Tracked((), lost, state, people)
    return Tracked(people, (), state, people)


def _person(request: TrackRequest, value: int, number: int) -> Person:
    width, height = request.frame.size
    region = request.regions[number] if number < len(request.regions) else Region(0, 0, width, height)
    joints = len(KINEPOSE_13)
    pose = Pose(np.full((joints, 2), value + APART * number, np.float32), np.full(joints, 0.5, np.float32))
    return Person(number + 1, 1.0, region, RegionSource.TRACKED, pose)


def _track(person: Person, value: int) -> TrackState:
    maps = quantise(np.full((len(KINEPOSE_13), 2, 2), value))  # a flat map is kept as it is
    return TrackState(
        track_id=person.track_id,
        q=maps,
        m=maps,
        transform=region_to_transform(person.region, 256),
        box=person.region,
        last_region=person.region,
        lost_frames=0,
    )
