"""The clip through the service, once over HTTP as a file and once over gRPC frame by frame."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from model.values import Array, Frame
from service.client import Client, Picture
from service.contract.messages import ClipInfo, FrameResult
from service.media.video import open_video

FASTEST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)

Report = Callable[[], None]


class DifferentAnswers(RuntimeError):
    """HTTP and gRPC do not tell the same of the same pictures."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass through the service.

    Attributes:
        name: for people.
        results: one a frame.
        seconds: from sending the first byte to the last result.
    """

    name: str
    results: list[FrameResult]
    seconds: float

    @property
    def ms_a_frame(self) -> float:
        """Wall time over frames; NaN without frames."""
        return 1000 * self.seconds / len(self.results) if self.results else float("nan")

    @property
    def joints(self) -> Array:
        """float32 [T, K, 2], original pixels."""
        return np.stack([result.pose.xy_px for result in self.results if result.pose is not None])


def over_http(client: Client, clip: Path, report: Report) -> tuple[Pass, ClipInfo]:
    """The whole file in one call; results come while it works. KineposeError where the clip does not do."""
    begin = time.perf_counter()
    with closing(client.estimate_clip(clip)) as answers:
        results = _collected(answers, report)
    assert answers.info is not None
    return Pass("HTTP, the file", results, time.perf_counter() - begin), answers.info


def over_grpc(client: Client, clip: Path, report: Report) -> Pass:
    """The frames as lossless pictures on one stream: the service sees exactly the pixels that it saw before."""
    begin = time.perf_counter()
    with closing(client.stream(_pictures(clip))) as answers:
        results = _collected(answers, report)
    return Pass("gRPC, PNG frames", results, time.perf_counter() - begin)


def _pictures(clip: Path) -> Iterator[Picture]:
    with open_video(clip) as video:
        for frame in video:
            yield Picture(_png(frame), frame.pts_us)


def _png(frame: Frame) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), FASTEST_PNG)
    assert done
    return data.tobytes()


def _collected(answers: Iterable[FrameResult], report: Report) -> list[FrameResult]:
    results = []
    for result in answers:
        results.append(result)
        report()
    return results


def largest_difference_px(one: Pass, other: Pass) -> float:
    """Largest distance between the same joint of both passes, pixels.

    Raises:
        DifferentAnswers: other frames, times or outcomes.
    """
    if len(one.results) != len(other.results):
        raise DifferentAnswers(f"{one.name} gave {len(one.results)} results, {other.name} gave {len(other.results)}")
    for a, b in zip(one.results, other.results, strict=True):
        if (a.seq, a.pts_us, a.outcome) != (b.seq, b.pts_us, b.outcome) or a.pose is None or b.pose is None:
            raise DifferentAnswers(f"frame {a.seq}: {_described(a)} by {one.name}, {_described(b)} by {other.name}")
    return float(np.linalg.norm(one.joints - other.joints, axis=-1).max(initial=0.0))


def _described(result: FrameResult) -> str:
    error = f" ({result.error_detail})" if result.error_detail else ""
    return f"{result.outcome.value} at {result.pts_us} µs{error}"
