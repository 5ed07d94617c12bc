"""JHMDB (Jhuang et al. 2013) from its official layout.

ReCompress_Videos/<action>/<clip>.avi, joint_positions/<action>/<clip>/joint_positions.mat (`pos_img` [2, 15,
T], 1-based), puppet_mask/<action>/<clip>/puppet_mask.mat (`part_mask` [H, W, T]). Traps: the video header's
frame count is too high in many files, so frames are counted by decoding; joints are MATLAB's 1-based pixels.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import scipy.io

from model.values import Array
from training.datasets.person import SKELETON, Clip

JOINTS_15 = (
    "neck",
    "belly",
    "head",
    "right_shoulder",
    "left_shoulder",
    "right_hip",
    "left_hip",
    "right_elbow",
    "left_elbow",
    "right_knee",
    "left_knee",
    "right_wrist",
    "left_wrist",
    "right_ankle",
    "left_ankle",
)
"""The official order; `face` is what the served skeleton calls head."""

_PICK = [JOINTS_15.index(name) for name in SKELETON.joints]


SPLIT = Path(__file__).with_name("jhmdb_split.json")
"""The project's own split: no source video is in two of its parts."""


def split_names(part: str, split: Path = SPLIT) -> list[str]:
    """Clip names `<action>/<clip>` of a part: train, val or test. KeyError where there is no such part."""
    return list(json.loads(split.read_text())[part])


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """The clips of that name, one after the other."""
    for name in names:
        yield read_clip(root, name)


def read_clip(root: Path, name: str) -> Clip:
    """One clip; ValueError where video, joints and masks disagree in length."""
    joints = read_joints(root / "joint_positions" / name / "joint_positions.mat")
    boxes = read_boxes(root / "puppet_mask" / name / "puppet_mask.mat")
    frames = decode_video(root / "ReCompress_Videos" / f"{name}.avi")
    if not len(frames) == len(joints) == len(boxes):
        raise ValueError(f"{name}: {len(frames)} frames, {len(joints)} joint rows, {len(boxes)} masks")
    return Clip(name, frames, joints, np.ones(joints.shape[:2], bool), boxes)


def read_joints(path: Path) -> Array:
    """Joints of the served skeleton float32 [T, K, 2], 0-based."""
    pos = scipy.io.loadmat(path)["pos_img"]  # [2, 15, T]
    return np.asarray(pos.transpose(2, 1, 0)[:, _PICK] - 1.0, np.float32)


def read_boxes(path: Path) -> Array:
    """Extent of each frame's mask as x, y, w, h float32 [T, 4] in pixel-centre coordinates.

    A frame without a mask takes the box of the nearest frame that has one.
    """
    mask = scipy.io.loadmat(path)["part_mask"]  # [H, W, T]
    boxes = [_extent(mask[:, :, t]) for t in range(mask.shape[2])]
    seen = [t for t, box in enumerate(boxes) if box is not None]
    if not seen:
        raise ValueError(f"{path}: no frame has a mask")
    return np.array([boxes[min(seen, key=lambda s: abs(s - t))] for t in range(len(boxes))], np.float32)


def _extent(mask: Array) -> tuple[float, float, float, float] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    x, y = columns[0] - 0.5, rows[0] - 0.5
    return float(x), float(y), float(columns[-1] + 0.5 - x), float(rows[-1] + 0.5 - y)


def decode_video(path: Path) -> Array:
    """All frames uint8 [T, H, W, 3], RGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
