"""Whole clips through the tracker, as served, and their PCK.

Three ways to run: `box` (the person's true box each frame, as in the paper), `region` (true box in frame 0 only), and
`none` (no region: the person has to be found). Two readers: `recurrent`, as served, and `frame by frame`, with the same
weights and nothing recurrent; what lies between them is what the recurrence gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.engines.base import Engine, ModelInput, ModelOutput
from model.pck import PCK
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Frame
from training.datasets.person import Clip
from training.evaluation.metrics import ClipResult, MetricOptions, pck_of

Protocol = Literal["box", "region", "none"]
PROTOCOLS: tuple[Protocol, ...] = ("box", "region", "none")

Reader = Literal["recurrent", "frame by frame"]
READERS: tuple[Reader, ...] = ("recurrent", "frame by frame")


@dataclass(frozen=True, slots=True)
class Scores:
    """PCK of a set of clips, by person size (longer side of the true box) and by torso."""

    person: PCK
    torso: PCK
    frames: int
    clips: int


class FirstFrames:
    """An Engine that reads every frame as the first of a session: what came before is not passed on to the network.

    A tracker on it follows the box from frame to frame all the same.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.config = engine.config
        self.device = engine.device

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine."""
        return self._engine.infer([ModelInput(item.image) for item in inputs])


def with_reader(tracker: Tracker, reader: Reader) -> Tracker:
    """The tracker itself, or one whose network has no memory."""
    return tracker if reader == "recurrent" else Tracker(FirstFrames(tracker.engine), tracker.model_digest)


def run_clip(tracker: Tracker, clip: Clip, protocol: Protocol, reader: Reader = "recurrent") -> ClipResult:
    """One clip from its first frame to its last.

    Raises:
        FrameSizeMismatch, RegionOutside: the clip's frames change size, or a true box has no pixel of its frame.
        EngineError: the device failed.
    """
    reading = with_reader(tracker, reader)
    state, poses = None, []
    for t, rgb in enumerate(clip.frames):
        given = protocol == "box" or (protocol == "region" and t == 0)
        answer = read(reading, TrackRequest(Frame(rgb), t, state, clip.region(t) if given else None))
        state = answer.state
        poses.append(answer.pose)
    joints, scores = np.stack([pose.xy_px for pose in poses]), np.stack([pose.score for pose in poses])
    return ClipResult(clip.name, clip.action, joints, clip.joints, clip.labelled, clip.boxes, scores)


def read(tracker: Tracker, request: TrackRequest) -> Tracked:
    """One frame; its failure is raised."""
    [answer] = tracker.step([request])
    if not isinstance(answer, Tracked):
        raise answer
    return answer


def evaluate(
    tracker: Tracker,
    clips: Iterable[Clip],
    protocol: Protocol,
    reader: Reader = "recurrent",
    options: MetricOptions | None = None,
) -> Scores:
    """PCK over all frames of the clips."""
    return score([run_clip(tracker, clip, protocol, reader) for clip in clips], options)


def evaluate_stills(tracker: Tracker, stills: Iterable[Clip], options: MetricOptions | None = None) -> Scores:
    """PCK of single pictures in their true boxes, every one read as a first frame.

    Raises:
        ValueError: a clip has more than one frame.
    """
    return score([run_clip(tracker, _single(still), "box", "frame by frame") for still in stills], options)


def score(results: Sequence[ClipResult], options: MetricOptions | None = None) -> Scores:
    """Both PCKs of clips that have been run."""
    person, torso = pck_of(results, "person", options), pck_of(results, "torso", options)
    return Scores(person, torso, sum(map(len, results)), len(results))


def _single(still: Clip) -> Clip:
    if len(still) != 1:
        raise ValueError(f"{still.name}: expected a picture, got a clip of {len(still)} frames")
    return still
