"""Clips that figures are drawn of: the rendered one that comes with the package, or clips of a data set."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import model
from model.skeletons import KINEPOSE_13, Skeleton
from training.datasets.jhmdb import decode_video
from training.datasets.person import Clip, in_skeleton

_RENDERED = Path(model.__file__).parents[1] / "service" / "demo" / "clip.mp4"
WINDOW = 5
"""T of the paper's figures."""


def rendered(skeleton: Skeleton, clip: Path = _RENDERED) -> Clip:
    """The rendered clip with its exact joints: nobody is in it, so it may be shown."""
    data = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
    order = [data["joint_names"].index(joint) for joint in KINEPOSE_13.joints]
    joints = np.array([frame["joints"] for frame in data["frames"]], np.float32)[:, order]
    boxes = np.array([frame["box"] for frame in data["frames"]], np.float32)
    served = Clip("rendered", decode_video(clip), joints, np.ones(joints.shape[:2], bool), boxes)
    return in_skeleton(served, skeleton)


def window(clip: Clip, first: int, step: int = 1) -> Clip:
    """Five frames of a clip, each `step` after the last; a clip that is too short stands still at its end."""
    picked = np.minimum(np.arange(WINDOW) * step + first, len(clip) - 1)
    frames = np.stack([clip.frames[int(t)] for t in picked])
    return replace(
        clip, frames=frames, joints=clip.joints[picked], labelled=clip.labelled[picked], boxes=clip.boxes[picked]
    )
