"""The demo clip: its pictures, and where the person's joints truly are."""

import json
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

CLIP = Path(__file__).parents[2] / "service/demo/clip.mp4"
JOINTS: list[str] = json.loads(CLIP.with_suffix(".json").read_text())["joint_names"]

Point = tuple[float, float]


def truth() -> list[dict[str, list[list[float]]]]:
    """Joints of every frame of the demo clip."""
    frames: list[dict[str, list[list[float]]]] = json.loads(CLIP.with_suffix(".json").read_text())["frames"]
    return frames


def true_joints(frame: int) -> dict[str, Point]:
    """Joints of a frame of the demo clip, as they are."""
    return {name: (x, y) for name, (x, y) in zip(JOINTS, truth()[frame]["joints"], strict=True)}


def picture_file(folder: Path, frame: int) -> Path:
    """A frame of the demo clip as PNG."""
    with av.open(str(CLIP)) as clip:
        [decoded] = islice(clip.decode(video=0), frame, frame + 1)
        rgb = decoded.to_ndarray(format="rgb24")
    path = folder / "frame.png"
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


def nearest_frame(jpeg: bytes) -> int:
    """Which frame of the demo clip a picture is of."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    with av.open(str(CLIP)) as clip:
        grey = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
    return int(np.argmin([np.abs(frame.astype(int) - picture).mean() for frame in grey]))
