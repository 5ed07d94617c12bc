"""One crop of a frame through the network: cut, read, and turned where the person lies in it."""

import math
from dataclasses import dataclass, replace

import numpy as np

from model.coords import crop_input, heatmap_to_frame, resample_maps
from model.engines.base import ModelInput, ModelOutput
from model.heatmaps import decode
from model.passes import WINDOWS_A_PASS, Passes, read_crops
from model.state import TrackState
from model.values import Frame, FrameTransform, Pose

WEAK_STRENGTH, CLEARLY = 0.4, 0.1
"""Below the first a person may lie; another turn has to show them more clearly by the second. Single frames of val,
`kimnet-lite`, PCK@0.2 by person: 58 of JHMDB 94.4 without and with it, turned by 90 degrees 54.1 and 92.8; 150 of COCO
and LSPET 86.7 and 86.9, turned 63.9 and 84.6."""
SURELY = 0.2
"""The same where a track has been going on: what it remembers is given up."""
_QUARTER_TURNS = (math.pi / 2, math.pi, 3 * math.pi / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
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


def prepare(frame: Frame, transform: FrameTransform, track: TrackState | None) -> ModelInput:
    """Cut the crop, and move the track's previous maps into it."""
    image = crop_input(frame, transform)
    if track is None:
        return ModelInput(image)
    q_prev, m_prev = (resample_maps(part.maps(), track.transform, transform) for part in (track.q, track.m))
    return ModelInput(image, q_prev, m_prev)


def read_pose(output: ModelOutput, transform: FrameTransform) -> Pose:
    """Joints in frame pixels from heatmaps."""
    cells, score = decode(output.m, output.smooth)
    return Pose(heatmap_to_frame(cells, transform).astype(np.float32), score)


def read_candidates(frame: Frame, transforms: list[FrameTransform]) -> Passes[list[Candidate]]:
    """What each window shows; crops are made pass by pass, so that memory does not grow with their number."""
    candidates: list[Candidate] = []
    for first in range(0, len(transforms), WINDOWS_A_PASS):
        part = transforms[first : first + WINDOWS_A_PASS]
        outputs = yield from read_crops([prepare(frame, t, None) for t in part])
        candidates += [_candidate(t, output) for t, output in zip(part, outputs, strict=True)]
    return candidates


def best_candidate(frame: Frame, transforms: list[FrameTransform]) -> Passes[Candidate]:
    """The strongest of the windows."""
    return max((yield from read_candidates(frame, transforms)), key=strength_of)


def best_turn(
    frame: Frame, transform: FrameTransform, output: ModelOutput, margin: float
) -> Passes[tuple[FrameTransform, ModelOutput]]:
    """The crop turned so that the person stands in it, where as it is the person is read weakly.

    The network knows people who stand; those who lie, and pictures of a camera that was turned, it reads poorly.
    """
    strength = _candidate(transform, output).strength
    if strength < WEAK_STRENGTH:
        best = yield from best_candidate(frame, turned(transform))
        if best.strength > strength + margin:
            return best.transform, best.output
    return transform, output


def turned(transform: FrameTransform) -> list[FrameTransform]:
    """The same crop in the three other quarter turns."""
    return [replace(transform, rotation=(transform.rotation + turn) % math.tau) for turn in _QUARTER_TURNS]


def strength_of(candidate: Candidate) -> float:
    """A candidate's strength, to order candidates by."""
    return candidate.strength


def _candidate(transform: FrameTransform, output: ModelOutput) -> Candidate:
    return Candidate(transform, output, read_pose(output, transform))
