"""Clips without a server. The tracker stands here as the protocol that a worker computes with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.engines.base import EngineError
from model.skeletons import KINEPOSE_13
from model.state import SessionState, TrackState, quantise
from model.tracker import RegionOutside, Tracked, TrackRequest
from model.values import FrameTransform, Person, Pose, Region, RegionSource
from service.clips.local import LocalRun, estimate_clip
from service.contract.messages import FrameResult, Outcome
from service.errors import BadClip, BadRegion, KineposeError
from service.inference.loaded_model import LoadedModel
from service.media.video import open_video
from tests.support.clips import make_clip, make_cut_off
from tests.support.pipelines import CARD
from tests.support.trackers import FakeTracker

BOX = Region(1, 2, 30, 40)


class RecordingStepper(FakeTracker):
    """Answers with a pose at the frame's number, and keeps the requests' numbers, states and regions."""

    def __init__(self, refuse: Callable[[int], Exception | None] = lambda seq: None) -> None:
        super().__init__()
        self.seen: list[tuple[int, int | None, tuple[Region, ...]]] = []
        self._refuse = refuse

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """One answer a request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: TrackRequest) -> Tracked | Exception:
        before = request.state.tracks[0].lost_frames if request.state else None
        self.seen.append((request.seq, before, request.regions))
        pose = Pose(np.full((13, 2), request.seq, np.float32), np.ones(13, np.float32))
        people = (Person(1, 1.0, BOX, RegionSource.TRACKED, pose),)
        return self._refuse(request.seq) or Tracked(people, (), _state(request), people)


def _state(request: TrackRequest) -> SessionState:
    """A state that keeps the frame's number where a tracker counts lost frames."""
    maps = quantise(np.zeros((13, 2, 2)))
    track = TrackState(
        track_id=1,
        q=maps,
        m=maps,
        transform=FrameTransform(0, 0, 10, 8),
        box=Region(0, 0, 1, 1),
        last_region=Region(0, 0, 1, 1),
        lost_frames=request.seq,
    )
    return SessionState("m", request.frame.size, (track,), next_id=2)


def loaded(stepper: RecordingStepper) -> LoadedModel:
    """A model that computes with this stepper."""
    return LoadedModel(CARD, KINEPOSE_13, stepper)


def test_each_frame_continues_from_the_one_before(tmp_path: Path) -> None:
    """State runs through the clip; the region goes with the first frame only."""
    stepper = RecordingStepper()

    results = list(estimate_clip(loaded(stepper), make_clip(tmp_path / "clip.mp4", count=3), (BOX,)))

    assert stepper.seen == [(0, None, (BOX,)), (1, 0, ()), (2, 1, ())]
    assert [result.seq for result in results] == [0, 1, 2]


def test_results_describe_themselves(tmp_path: Path) -> None:
    """As those of the service do."""
    path = make_clip(tmp_path / "clip.mp4", count=2, turn=(-90.0, False, False))

    result = list(estimate_clip(loaded(RecordingStepper()), path))[1]

    assert (result.outcome, result.pts_us, result.image_size) == (Outcome.OK, 40_000, (48, 64))
    assert result.rotation_applied == 90
    assert [(person.track_id, person.region) for person in result.people] == [(1, BOX)]
    assert (result.skeleton, result.joint_names) == (KINEPOSE_13.name, KINEPOSE_13.joints)
    assert result.model.name == CARD.name


def test_what_is_known_of_the_clip_is_kept_current(tmp_path: Path) -> None:
    """For a progress bar."""
    with open_video(make_clip(tmp_path / "clip.mp4")) as video:
        run = LocalRun(loaded(RecordingStepper()), video)
        declared = run.info.frames_declared
        emitted = [run.info.frames_emitted for _ in run]

    assert declared == 10
    assert emitted == list(range(1, 11))


def test_a_strict_clip_that_breaks_off_gives_its_results_first(tmp_path: Path) -> None:
    """Then the error."""
    results: list[FrameResult] = []

    with pytest.raises(BadClip):
        results.extend(estimate_clip(loaded(RecordingStepper()), make_cut_off(tmp_path), strict=True))

    assert len(results) > 20


def test_a_region_outside_the_picture_is_told_as_such(tmp_path: Path) -> None:
    """With the error that the service has for it."""
    stepper = RecordingStepper(lambda seq: RegionOutside("outside"))

    with pytest.raises(BadRegion, match="outside"):
        list(estimate_clip(loaded(stepper), make_clip(tmp_path / "clip.mp4")))


def test_a_failed_device_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    """It is raised as it is."""
    stepper = RecordingStepper(lambda seq: EngineError("gone", sticky=True) if seq == 1 else None)

    with pytest.raises(EngineError) as caught:
        list(estimate_clip(loaded(stepper), make_clip(tmp_path / "clip.mp4")))

    assert not isinstance(caught.value, KineposeError)
