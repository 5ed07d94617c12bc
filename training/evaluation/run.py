"""Whole clips through the tracker, as served, and their PCK.

Three box modes: `box` (the person's true box each frame, as in the paper), `region` (true box in frame 0 only), and
`none` (no region: the person has to be found). Two readers: `recurrent`, as served, and `frame by frame`, with the same
weights and nothing recurrent; what lies between them is what the recurrence gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from model.engines.base import Engine, ModelInput, ModelOutput
from model.pck import PCK
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Frame, Pose
from training.box_mode import BoxMode
from training.datasets.person import Clip
from training.evaluation.jitter import jitter_of
from training.evaluation.metrics import ClipResult, MetricOptions, pck_of
from training.evaluation.noise import NoisyEngine, mean_pck, spread_of

Reader = Literal["recurrent", "frame by frame"]
READERS: tuple[Reader, ...] = ("recurrent", "frame by frame")


@dataclass(frozen=True, slots=True)
class Scores:
    """PCK of a set of clips, by person size (longer side of the true box) and by torso.

    Attributes:
        jitter: see `training.evaluation.jitter`; NaN for pictures.
        deviation: of the person and of the torso figure over noise seeds; zeros for a single run.
        runs: how many noise seeds the figures are the mean of; 1 is a run without noise.
    """

    person: PCK
    torso: PCK
    frames: int
    clips: int
    jitter: float = float("nan")
    deviation: tuple[float, float] = (0.0, 0.0)
    runs: int = 1


class FirstFrames:
    """An Engine that reads every frame as the first of a session: what came before is not passed on to the network.

    A tracker on it follows the box from frame to frame all the same.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.config = engine.config
        self.device = engine.device
        self.signature = engine.signature
        self.parallel = engine.parallel

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine."""
        return self._engine.infer([ModelInput(item.image) for item in inputs])


def with_reader(tracker: Tracker, reader: Reader) -> Tracker:
    """The tracker itself, or one whose network has no memory."""
    return tracker if reader == "recurrent" else with_engine(tracker, FirstFrames(tracker.engine))


def with_engine(tracker: Tracker, engine: Engine) -> Tracker:
    """The same tracker on another engine."""
    return Tracker(engine, tracker.model_digest, tracker.finder, tracker.look_every)


def run_clip(
    tracker: Tracker, clip: Clip, mode: BoxMode, reader: Reader = "recurrent", seed: int | None = None
) -> ClipResult:
    """One clip from its first frame to its last.

    Args:
        seed: of the noise (`training.evaluation.noise`); None runs without.

    Raises:
        FrameSizeMismatch, RegionOutside: the clip's frames change size, or a true box has no pixel of its frame.
        EngineError: the device failed.
    """
    reading = with_reader(tracker, reader)
    if seed is not None:
        reading = with_engine(reading, NoisyEngine(reading.engine, seed))
    state, poses = None, []
    for t, rgb in enumerate(clip.frames):
        given = mode == "box" or (mode == "region" and t == 0)
        answer = read(reading, TrackRequest(Frame(rgb), t, state, (clip.region(t),) if given else ()))
        state = answer.state
        poses.append(pose_of(answer))
    joints, scores = np.stack([pose.xy_px for pose in poses]), np.stack([pose.score for pose in poses])
    return ClipResult(clip.name, clip.action, joints, clip.joints, clip.labelled, clip.boxes, scores, clip.skeleton)


def read(tracker: Tracker, request: TrackRequest) -> Tracked:
    """One frame; its failure is raised."""
    [answer] = tracker.step([request])
    if not isinstance(answer, Tracked):
        raise answer
    return answer


def pose_of(answer: Tracked) -> Pose:
    """The joints of a clip's only person, whether or not they count as being there."""
    [reading] = answer.readings
    return reading.pose


def evaluate(
    tracker: Tracker,
    clips: Iterable[Clip],
    mode: BoxMode,
    reader: Reader = "recurrent",
    options: MetricOptions | None = None,
    seeds: int = 1,
) -> Scores:
    """PCK over all frames of the clips, the mean over `noise_seeds`."""
    people = list(clips)
    runs = [[run_clip(tracker, clip, mode, reader, seed) for clip in people] for seed in noise_seeds(mode, seeds)]
    return mean_scores([score(results, options) for results in runs])


def noise_seeds(mode: BoxMode, runs: int) -> list[int | None]:
    """The noise of each run of a box mode; None is without.

    Runs that are given the true box in every frame do not feed on their own joints: one of them is enough.
    """
    return [None, *range(1, 1 if mode == "box" else runs)]


def mean_scores(runs: Sequence[Scores]) -> Scores:
    """The mean of runs over the same clips, with its deviation."""
    person, torso = ([getattr(run, name) for run in runs] for name in ("person", "torso"))
    spreads = [spread_of([pck.mean for pck in figures]) for figures in (person, torso)]
    return replace(
        runs[0],
        person=mean_pck(person),
        torso=mean_pck(torso),
        jitter=spread_of([run.jitter for run in runs]).mean,
        deviation=(spreads[0].deviation, spreads[1].deviation),
        runs=len(runs),
    )


def evaluate_stills(tracker: Tracker, stills: Iterable[Clip], options: MetricOptions | None = None) -> Scores:
    """PCK of single pictures in their true boxes, every one read as a first frame.

    Raises:
        ValueError: a clip has more than one frame.
    """
    return score([run_clip(tracker, _single(still), "box", "frame by frame") for still in stills], options)


def score(results: Sequence[ClipResult], options: MetricOptions | None = None) -> Scores:
    """Both PCKs of clips that have been run."""
    person, torso = pck_of(results, "person", options), pck_of(results, "torso", options)
    return Scores(person, torso, sum(map(len, results)), len(results), jitter_of(results))


def _single(still: Clip) -> Clip:
    if len(still) != 1:
        raise ValueError(f"{still.name}: expected a picture, got a clip of {len(still)} frames")
    return still
