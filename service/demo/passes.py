"""The clip through the service, once over HTTP as a file and once over gRPC frame by frame."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kinepose_client import Client, Picture
from model.values import Array, Frame
from service.contract.messages import ClipInfo, FrameResult, Outcome
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
        DifferentAnswers: other frames, times, outcomes or people, or a frame that was not read.
    """
    if len(one.results) != len(other.results):
        raise DifferentAnswers(f"{one.name} gave {len(one.results)} results, {other.name} gave {len(other.results)}")
    for a, b in zip(one.results, other.results, strict=True):
        if _identity(a) != _identity(b) or a.outcome is not Outcome.OK:
            raise DifferentAnswers(f"frame {a.seq}: {_described(a)} by {one.name}, {_described(b)} by {other.name}")
    pairs = zip(_poses(one), _poses(other), strict=True)
    return max((float(np.linalg.norm(a - b, axis=-1).max()) for a, b in pairs), default=0.0)


def _identity(result: FrameResult) -> tuple[int, int | None, Outcome, list[int]]:
    return result.seq, result.pts_us, result.outcome, [person.track_id for person in result.people]


def _poses(done: Pass) -> Iterator[Array]:
    """Joints [K, 2] of everybody, pixels."""
    return (person.pose.xy_px for result in done.results for person in result.people)


def _described(result: FrameResult) -> str:
    error = f" ({result.error_detail})" if result.error_detail else ""
    people = ", ".join(str(person.track_id) for person in result.people) or "nobody"
    return f"{result.outcome.value} at {result.pts_us} µs with {people}{error}"
