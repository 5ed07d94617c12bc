"""The demo clip, frame by frame, and the joints that all ways of sending it must give, bit for bit."""

from pathlib import Path

import cv2
import numpy as np

from deploy.compose_checks.expect import Target, expect
from kinepose_client import Picture
from model.values import Array, Frame
from service.contract.messages import FrameResult, Outcome
from service.media.video import open_video

CLIP = Path(__file__).parents[2] / "service" / "demo" / "clip.mp4"


def pictures() -> list[Picture]:
    """The clip's frames as PNG: exactly the pixels that the service decodes from the file."""
    with open_video(CLIP) as video:
        return [Picture(_png(frame), frame.pts_us, seq=number) for number, frame in enumerate(video)]


def _png(frame: Frame) -> bytes:
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    assert done
    return data.tobytes()


def joints_of(results: list[FrameResult], frames: int, where: str) -> Array:
    """float32 [frames, K, 2], pixels. Wrong unless every frame has one outcome, in order, ok, with one person."""
    expect([result.seq for result in results], list(range(frames)), f"{where}: seqs")
    failed = [
        f"{r.seq}: {r.outcome.value}, {r.error_code}: {r.error_detail}" for r in results if r.outcome != Outcome.OK
    ]
    expect(failed, [], f"{where}: frames that did not end well")
    alone = [[person.track_id for person in result.people] == [1] for result in results]
    expect(alone, [True] * frames, f"{where}: frames with person 1, and nobody else")
    return np.stack([result.people[0].pose.xy_px for result in results])


def compare(target: Target, results: list[FrameResult], where: str) -> None:
    """Wrong unless the joints are those of the unbroken run."""
    unbroken = np.load(target.joints)
    joints = joints_of(results, len(results), where)
    apart = float(np.abs(joints - unbroken[: len(joints)]).max())
    expect(apart, 0.0, f"{where}: largest distance from the unbroken run, pixels")
    print(f"{where}: {len(results)} frames, each with one outcome, all ok; largest distance {apart} px")
