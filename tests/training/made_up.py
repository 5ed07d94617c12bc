"""Tiny made-up data sets in the official layouts, with joints where the picture shows them."""

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import scipy.io

from model.values import Array
from training.datasets import jhmdb
from training.datasets.person import SKELETON, Clip

SIZE = (96, 72)


def jhmdb_tree(root: Path, names: list[str], frames: int = 6) -> dict[str, Array]:
    """JHMDB with one clip a name; gives the 1-based joints [2, 15, T] that were written."""
    written = {}
    rng = np.random.default_rng(0)
    for name in names:
        joints = 10.0 + 50.0 * rng.random((2, 15, frames))
        mask = np.zeros((SIZE[1], SIZE[0], frames), np.uint8)
        for t in range(frames):
            mask[5 + t : 40 + t, 8:60, t] = 1
        save(root / "joint_positions" / name / "joint_positions.mat", {"pos_img": joints})
        save(root / "puppet_mask" / name / "puppet_mask.mat", {"part_mask": mask})
        video(root / "ReCompress_Videos" / f"{name}.avi", frames)
        written[name] = joints
    return written


def lspet_tree(root: Path, labels: Array) -> None:
    """LSPET with one grey image for each row of labels [N, 14, 3]."""
    names = [f"im{i + 1:05d}.jpg" for i in range(len(labels))]
    for name in names:
        _picture(root / "images" / name)
    scipy.io.savemat(root / "joints.mat", {"joints": labels.transpose(1, 2, 0)})
    (root / "train.txt").write_text("\n".join(names))
    (root / "val.txt").write_text(names[0])


def lsp_tree(root: Path, numbers: list[int], occluded: int = 0) -> Array:
    """LSP with labels for all 2000 pictures and those pictures of them; gives the 1-based x, y [2000, 14, 2].

    `occluded` is the third row's value for every joint.
    """
    for number in numbers:
        _picture(root / "images" / f"im{number:04d}.jpg")
    xy = np.random.default_rng(1).uniform(5, 60, (2000, 14, 2))
    flags = np.full((2000, 14, 1), float(occluded))
    save(root / "joints.mat", {"joints": np.concatenate([xy, flags], axis=2).transpose(2, 1, 0)})
    return xy


def penn_labels(frames: int = 4, train: int = 1) -> dict[str, Any]:
    """The variables of a Penn Action label file: coordinates as unsigned bytes, the second joint out of sight."""
    x = np.tile(np.arange(10, 23, dtype=np.uint8), (frames, 1))  # [T, 13]
    visibility = np.ones((frames, 13), np.uint8)
    x[:, 1], visibility[:, 1] = 1, 0
    return {
        "action": "golf_swing",
        "pose": "back",
        "x": x,
        "y": (x + np.arange(frames, dtype=np.uint8)[:, None]).astype(np.uint8),
        "visibility": visibility,
        "train": np.int32(train),
        "bbox": np.array([[5 + t, 6, 45 + t, 66] for t in range(frames)], np.uint8),
        "dimensions": np.array([480, 270, frames], np.uint16),  # not the pictures' size
        "nframes": np.uint8(frames),
    }


def penn_tree(root: Path, clips: dict[str, dict[str, Any]]) -> None:
    """Penn Action with one clip a name, each with as many frames as its labels say."""
    for name, labels in clips.items():
        save(root / "labels" / f"{name}.mat", labels)
        for t in range(int(labels["nframes"])):
            _picture(root / "frames" / name / f"{t + 1:06d}.jpg", grey=10 * t)


def still(seed: int = 0) -> Clip:
    """A clip of one noisy frame with all joints labelled."""
    return moving(frames=1, seed=seed)


def moving(frames: int, seed: int = 0) -> Clip:
    """A clip whose person walks 2 px a frame to the right."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (frames, SIZE[1], SIZE[0], 3), np.uint8)
    first = np.array([20.0, 15.0]) + np.array([40.0, 40.0]) * rng.random((len(SKELETON), 2))
    steps = np.arange(frames)[:, None, None] * np.array([2.0, 0.0])
    joints = (first[None] + steps).astype(np.float32)
    boxes = np.array([[15.0 + 2 * t, 10.0, 50.0, 50.0] for t in range(frames)], np.float32)
    return Clip(f"moving{seed}", pictures, joints, np.ones(joints.shape[:2], bool), boxes)


def served_order(pos_img: Array) -> Array:
    """Official joints [2, 15, T], 1-based, to [T, K, 2], 0-based, by name and not by the reader's table."""
    order = [jhmdb.JOINTS_15.index(name) for name in SKELETON.joints]
    return np.stack([pos_img[:, i].T - 1 for i in order], axis=1)


def _picture(path: Path, grey: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), grey, np.uint8))


def save(path: Path, content: dict[str, Any]) -> None:
    """A MATLAB file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content)


def video(path: Path, frames: int) -> None:
    """An AVI of so many grey frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for t in range(frames):
            picture = np.full((SIZE[1], SIZE[0], 3), 20 * t, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
