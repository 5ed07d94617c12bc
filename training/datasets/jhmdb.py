"""JHMDB (Jhuang et al. 2013) from its official layout.

ReCompress_Videos/<action>/<clip>.avi, joint_positions/<action>/<clip>/joint_positions.mat (`pos_img` [2, 15,
T], 1-based), puppet_mask/<action>/<clip>/puppet_mask.mat (`part_mask` [H, W, T]). Traps: the video header's
frame count is too high in many files, so frames are counted by decoding; joints are MATLAB's 1-based pixels.
Which clips belong together is read in `jhmdb_splits`.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from model.skeletons import Skeleton
from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import read_mat
from training.datasets.jhmdb_splits import fold_names, split_names, sub_fold_names
from training.datasets.person import SKELETON, Clip

__all__ = ["JOINTS_15", "fold_names", "read_clip", "read_clips", "split_names", "sub_fold_names"]

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


def read_clips(root: Path, names: list[str], skeleton: Skeleton = SKELETON) -> Iterator[Clip]:
    """The clips of that name, one after the other, with the joints of the skeleton: all of them are labelled.

    Raises:
        DatasetError: before the first clip, where a file of any of them is missing; or as `read_clip`.
    """
    missing = [name for name in names if not all(path.is_file() for path in _paths(root, name))]
    if missing:
        wanted = ", ".join(str(path) for path in _paths(root, missing[0]))
        raise DatasetError(
            f"JHMDB: {len(missing)} of {len(names)} listed clips are missing or incomplete, the first is "
            f"{missing[0]}; expected {wanted}"
        )
    for name in names:
        yield read_clip(root, name, skeleton)


def read_clip(root: Path, name: str, skeleton: Skeleton = SKELETON) -> Clip:
    """One clip; DatasetError where a file is missing or broken, or video, joints and masks disagree in length."""
    video, positions, masks = _paths(root, name)
    joints, boxes, frames = read_joints(positions, skeleton), read_boxes(masks), decode_video(video)
    if not len(frames) == len(joints) == len(boxes):
        raise DatasetError(f"{name}: {len(frames)} frames, {len(joints)} joint rows, {len(boxes)} masks")
    labelled = np.ones(joints.shape[:2], bool)
    return Clip(name, frames, joints, labelled, boxes, action=name.partition("/")[0], skeleton=skeleton)


def _paths(root: Path, name: str) -> tuple[Path, Path, Path]:
    return (
        root / "ReCompress_Videos" / f"{name}.avi",
        root / "joint_positions" / name / "joint_positions.mat",
        root / "puppet_mask" / name / "puppet_mask.mat",
    )


def read_joints(path: Path, skeleton: Skeleton = SKELETON) -> Array:
    """Joints of the skeleton float32 [T, K, 2], 0-based."""
    [pos] = read_mat(path, "pos_img")
    if pos.ndim == 2:
        pos = pos[:, :, None]  # MATLAB drops the last axis of a clip of one frame
    if pos.shape[:2] != (2, len(JOINTS_15)):
        raise DatasetError(f"{path}: expected pos_img [2, 15, T], got {list(pos.shape)}")
    picked = [JOINTS_15.index(name) for name in skeleton.joints]
    return np.asarray(pos.transpose(2, 1, 0)[:, picked] - 1.0, np.float32)


def read_boxes(path: Path) -> Array:
    """Extent of each frame's mask as x, y, w, h float32 [T, 4] in pixel-centre coordinates.

    A frame without a mask takes the box of the nearest frame that has one.
    """
    mask = np.atleast_3d(read_mat(path, "part_mask")[0])  # [H, W, T]
    boxes = [_extent(mask[:, :, t]) for t in range(mask.shape[2])]
    seen = [t for t, box in enumerate(boxes) if box is not None]
    if not seen:
        raise DatasetError(f"{path}: no frame has a mask")
    return np.array([boxes[min(seen, key=lambda s: abs(s - t))] for t in range(len(boxes))], np.float32)


def _extent(mask: Array) -> tuple[float, float, float, float] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    x, y = columns[0] - 0.5, rows[0] - 0.5
    return float(x), float(y), float(columns[-1] + 0.5 - x), float(rows[-1] + 0.5 - y)


def decode_video(path: Path) -> Array:
    """All frames uint8 [T, H, W, 3], RGB; DatasetError where the file is missing or cannot be decoded."""
    try:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError) as error:  # IndexError: a file without a video stream
        raise DatasetError(f"{path}: not a video that can be decoded ({error})") from error
    if not frames:
        raise DatasetError(f"{path}: the video has no frame")
    return np.stack(frames)
