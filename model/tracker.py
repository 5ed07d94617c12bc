"""Tracking one person: prepare -> forward -> finish, composed by `step`.

Each request becomes a plan: a generator that hands out the inputs it wants to have read and takes the
outputs. Plans of many sessions run side by side, so that their inputs share batches, and a plan that fails fails
alone. An ordinary frame is one input; a frame in which the person has to be found first is a few passes more, each of
at most `WINDOWS_A_PASS` inputs. Whoever drives the plans pass by pass (`begin`, `advance`) can let other frames in
between, and give up a search that is no longer wanted.
"""

import hashlib
import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from model.coords import crop_input, heatmap_to_frame, region_to_transform, resample_maps
from model.engines.base import Engine, ModelInput, ModelOutput
from model.heatmaps import decode
from model.region import PRESENT, next_box, seen_box
from model.search import coarse_windows, fine_windows, finest_windows
from model.state import TrackState, quantise
from model.values import Array, Frame, FrameTransform, Pose, Region, RegionSource

LOST_PATIENCE = 4
"""Frames in a row without the person after which the whole frame is searched again."""

WINDOWS_A_PASS = 2
"""Inputs that a search puts into one batch at most: another session's frame waits for no more than these."""

_COARSE_EVERY, _FINE_EVERY = 4, 64
"""Lost frames between two searches of each kind; in the others a person that came back is looked for in the whole frame
at once, which is one pass."""

_GOOD_STRENGTH = 0.35
_REFINEMENTS = 2

_WEAK_STRENGTH, _CLEARLY = 0.4, 0.1
"""Below the first a person may lie; another turn has to show them more clearly by the second. Single frames of val,
`kimnet-lite`, PCK@0.2 by person: 58 of JHMDB 94.4 without and with it, turned by 90 degrees 54.1 and 92.8; 150 of COCO
and LSPET 86.7 and 86.9, turned 63.9 and 84.6."""
_SURELY = 0.2
"""The same where a track has been going on: what it remembers is given up."""
_QUARTER_TURNS = (math.pi / 2, math.pi, 3 * math.pi / 2)

TURNS_EVERY = 16
"""A track tries other turns at its start, and then every so many frames while somebody is there: three inputs more."""


class FrameSizeMismatch(ValueError):
    """The frame is not of the session's size."""


class RegionOutside(ValueError):
    """The region has no pixel of the frame in it."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackRequest:
    """One frame to read.

    Attributes:
        frame, seq: the picture and its number.
        state: what the previous frame left behind; None starts a track.
        region: the person's box; None follows the joints, or searches where there are none.
    """

    frame: Frame
    seq: int
    state: TrackState | None = None
    region: Region | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What was read of one frame.

    Attributes:
        pose: the joints.
        region, source: the person's box that they were read with, and where it comes from.
        person_score: how probable it is that there is a person in that box, 0 to 1.
        state: what the next frame needs.
    """

    pose: Pose
    region: Region
    state: TrackState
    source: RegionSource
    person_score: float


Plan = Generator[list[ModelInput], list[ModelOutput], Tracked]


class Tracker:
    """Reads frames with an engine. Keeps nothing between calls.

    Args:
        engine: the loaded network.
        model_digest: first 16 hexadecimal digits of the weights' sha256.

    Attributes:
        state_digest: of the weights and of the engine's signature. A state goes on only on its like: the same weights
            on another runtime, precision or instruction set give other joints. Any other state starts afresh.
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

    def begin(self, request: TrackRequest) -> "FrameWork":
        """Start on a request, up to its first pass through the network."""
        return FrameWork(self._plan(request))

    def advance(self, work: list["FrameWork"]) -> None:
        """One pass through the network for all of them, which must not be done.

        Raises:
            EngineError: the device failed; no request is to blame.
        """
        outputs = iter(self.engine.infer([image for one in work for image in one.wants]))
        for one in work:
            one.resume([next(outputs) for _ in one.wants])

    def _plan(self, request: TrackRequest) -> Plan:
        state = self._usable_state(request)
        _check(request, state)
        region, source = request.region, RegionSource.GIVEN
        turn = state.transform.rotation if state else 0.0
        if region is None and (state is None or state.lost_frames > LOST_PATIENCE):
            source = RegionSource.SEARCHED
            found = yield from self._search(request.frame, state)
            if found is None:
                region = _fallback(request.frame, state)
            else:
                (region, turn), state = found, None  # A person found anew has no past here.
        elif region is None and state is not None:
            region, source = state.box, RegionSource.TRACKED
        assert region is not None  # each branch above sets it
        transform = region_to_transform(region, self.input_size, turn=turn)
        [output] = yield [prepare(request.frame, transform, state)]
        if state is None or (request.seq % TURNS_EVERY == 0 and output.presence >= PRESENT):
            margin = _CLEARLY if state is None else _SURELY
            turned, output = yield from _best_turn(request.frame, transform, output, margin)
            # Maps of another turn do not lie in this one.
            state, transform = (state if turned == transform else None), turned
        new_state, pose = self._finish(request, region, transform, output, state)
        return Tracked(pose, region, new_state, source, output.presence)

    def _usable_state(self, request: TrackRequest) -> TrackState | None:
        state = request.state
        return state if state is not None and state.model == self.state_digest else None

    def _search(
        self, frame: Frame, state: TrackState | None
    ) -> Generator[list[ModelInput], list[ModelOutput], tuple[Region, float] | None]:
        """Look for the person in the whole frame: their box, and the turn in which they are seen best."""
        width, height = frame.size
        coarse = coarse_windows(width, height, self.input_size)
        best = yield from _best_candidate(frame, coarse if _looks_around(state) else coarse[:1])
        if best.strength < _GOOD_STRENGTH and _looks_around(state):
            turned = yield from _best_candidate(frame, _turned(coarse[0]))
            best = turned if turned.strength > best.strength + _CLEARLY else best
        if best.strength < _GOOD_STRENGTH and _looks_closely(state):
            closer = yield from self._search_closely(frame)
            best = max(best, closer, key=_strength)
        for _ in range(_REFINEMENTS):
            region = seen_box(best.pose, best.presence, frame.size)
            if region is None:
                return None
            turn = best.transform.rotation
            best = yield from _best_candidate(frame, [region_to_transform(region, self.input_size, turn=turn)])
        region = seen_box(best.pose, best.presence, frame.size)
        return None if region is None else (region, best.transform.rotation)

    def _search_closely(self, frame: Frame) -> Generator[list[ModelInput], list[ModelOutput], "_Candidate"]:
        """Smaller and smaller windows, until one shows a person clearly."""
        width, height = frame.size
        best = None
        for windows in (fine_windows, finest_windows):
            transforms = windows(width, height, self.input_size)
            if not transforms:
                break
            found = yield from _best_candidate(frame, transforms)
            best = found if best is None else max(best, found, key=_strength)
            if best.strength >= _GOOD_STRENGTH:
                break
        assert best is not None  # there is always a fine window
        return best

    def _finish(
        self,
        request: TrackRequest,
        region: Region,
        transform: FrameTransform,
        output: ModelOutput,
        state: TrackState | None,
    ) -> tuple[TrackState, Pose]:
        pose = read_pose(output.m, transform)
        following = next_box(region, pose, output.presence, request.frame.size)
        lost = 0 if following.seen else 1 + (state.lost_frames if state else 0)
        new_state = TrackState(
            model=self.state_digest,
            q=quantise(output.q),
            m=quantise(output.carry),
            transform=transform,
            box=following.region,
            lost_frames=lost,
            image_size=request.frame.size,
        )
        return new_state, pose


class FrameWork:
    """A request under way: what it wants read next, and in the end its answer or its failure.

    Attributes:
        wants: inputs of its next pass; empty once it is done.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._answer: Tracked | Exception | None = None
        self.wants: list[ModelInput] = []
        self.resume(None)

    @property
    def done(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    def resume(self, outputs: list[ModelOutput] | None) -> None:
        """Hand in outputs (None to begin) and run to the next want or to the end."""
        try:
            self.wants = next(self._plan) if outputs is None else self._plan.send(outputs)
        except StopIteration as end:
            self.wants, self._answer = [], end.value
        except Exception as failure:  # this request's own: its neighbours go on
            self.wants, self._answer = [], failure

    def answer(self) -> Tracked | Exception:
        """The result, once it is done."""
        assert self._answer is not None
        return self._answer


def prepare(frame: Frame, transform: FrameTransform, state: TrackState | None) -> ModelInput:
    """Cut the crop, and move the previous maps into it."""
    image = crop_input(frame, transform)
    if state is None:
        return ModelInput(image)
    q_prev, m_prev = (resample_maps(part.maps(), state.transform, transform) for part in (state.q, state.m))
    return ModelInput(image, q_prev, m_prev)


def read_pose(maps: Array, transform: FrameTransform) -> Pose:
    """Joints in frame pixels from heatmaps [K, h, w]."""
    cells, score = decode(maps)
    return Pose(heatmap_to_frame(cells, transform).astype(np.float32), score)


def _check(request: TrackRequest, state: TrackState | None) -> None:
    size = request.frame.size
    if state is not None and state.image_size != size:
        expected = "{}x{}".format(*state.image_size)
        raise FrameSizeMismatch(f"expected frames of {expected}, got {size[0]}x{size[1]}")
    if request.region is not None and not request.region.overlaps(*size):
        raise RegionOutside(f"the region lies outside the frame of {size[0]}x{size[1]}")


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """What one window showed."""

    transform: FrameTransform
    output: ModelOutput
    pose: Pose

    @property
    def presence(self) -> float:
        """How probable it is that there is somebody."""
        return self.output.presence

    @property
    def strength(self) -> float:
        """How much speaks for a person here, 0 to 1."""
        return self.presence * float(self.pose.score.mean())


def _best_candidate(
    frame: Frame, transforms: list[FrameTransform]
) -> Generator[list[ModelInput], list[ModelOutput], _Candidate]:
    """The strongest of the windows; crops are made pass by pass, so that memory does not grow with their number."""
    candidates: list[_Candidate] = []
    for first in range(0, len(transforms), WINDOWS_A_PASS):
        part = transforms[first : first + WINDOWS_A_PASS]
        outputs = yield [prepare(frame, t, None) for t in part]
        candidates += [_candidate(t, output) for t, output in zip(part, outputs, strict=True)]
    return max(candidates, key=_strength)


def _best_turn(
    frame: Frame, transform: FrameTransform, output: ModelOutput, margin: float
) -> Generator[list[ModelInput], list[ModelOutput], tuple[FrameTransform, ModelOutput]]:
    """The crop turned so that the person stands in it, where as it is the person is read weakly.

    The network knows people who stand; those who lie, and pictures of a camera that was turned, it reads poorly.
    """
    strength = _candidate(transform, output).strength
    if strength < _WEAK_STRENGTH:
        best = yield from _best_candidate(frame, _turned(transform))
        if best.strength > strength + margin:
            return best.transform, best.output
    return transform, output


def _turned(transform: FrameTransform) -> list[FrameTransform]:
    """The same crop in the three other quarter turns."""
    return [replace(transform, rotation=(transform.rotation + turn) % math.tau) for turn in _QUARTER_TURNS]


def _candidate(transform: FrameTransform, output: ModelOutput) -> _Candidate:
    return _Candidate(transform, output, read_pose(output.m, transform))


def _strength(candidate: _Candidate) -> float:
    return candidate.strength


def _looks_around(state: TrackState | None) -> bool:
    """Whether all coarse windows are read: at the start, and every few frames while the person is lost."""
    return state is None or state.lost_frames % _COARSE_EVERY == 0


def _looks_closely(state: TrackState | None) -> bool:
    """Fine windows cost many passes: at the start, and while the person is lost less and less often."""
    if state is None:
        return True
    lost = state.lost_frames
    return lost & (lost - 1) == 0 or lost % _FINE_EVERY == 0


def _fallback(frame: Frame, state: TrackState | None) -> Region:
    if state is not None:
        return state.box
    width, height = frame.size
    return Region(-0.5, -0.5, float(width), float(height))
