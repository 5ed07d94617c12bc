"""Whole clips through the tracker, as served, and their PCK.

Three ways to run: `box` (the person's true box each frame, as in the paper), `region` (true box in frame 0 only), and
`none` (no region: the person has to be found).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.pck import PCK, pck, person_size, torso_size
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Array, Frame
from training.datasets.person import SKELETON, Clip

Protocol = Literal["box", "region", "none"]
PROTOCOLS: tuple[Protocol, ...] = ("box", "region", "none")


@dataclass(frozen=True, slots=True)
class Scores:
    """PCK@0.2 of a set of clips, by person size (longer side of the true box) and by torso."""

    person: PCK
    torso: PCK
    frames: int
    clips: int


def track_clip(tracker: Tracker, clip: Clip, protocol: Protocol) -> Array:
    """Joints [T, K, 2] in frame pixels."""
    state, joints = None, []
    for t, rgb in enumerate(clip.frames):
        given = protocol == "box" or (protocol == "region" and t == 0)
        request = TrackRequest(Frame(rgb), t, state, clip.region(t) if given else None)
        [answer] = tracker.step([request])
        if not isinstance(answer, Tracked):
            raise answer
        state = answer.state
        joints.append(answer.pose.xy_px)
    return np.stack(joints)


def evaluate(tracker: Tracker, clips: Iterable[Clip], protocol: Protocol) -> Scores:
    """PCK over all frames of the clips."""
    done = [(track_clip(tracker, clip, protocol), clip) for clip in clips]
    return score(
        np.concatenate([joints for joints, _ in done]),
        np.concatenate([clip.joints for _, clip in done]),
        np.concatenate([clip.labelled for _, clip in done]),
        np.concatenate([clip.boxes for _, clip in done]),
        clips=len(done),
    )


def score(predicted: Array, truth: Array, labelled: Array, boxes: Array, clips: int) -> Scores:
    """Both PCKs of joints [N, K, 2] against truth."""
    by_person = pck(predicted, truth, person_size(boxes), SKELETON, labelled=labelled)
    by_torso = pck(predicted, truth, torso_size(truth, predicted, SKELETON), SKELETON, labelled=labelled)
    return Scores(by_person, by_torso, len(truth), clips)
