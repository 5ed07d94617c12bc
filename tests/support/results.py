"""Results of a made-up clip: two people who come and go, a frame without anybody, one that failed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from model.skeletons import KINEPOSE_13
from model.values import LostTrack, Person, Pose, Region, RegionSource
from service.contract.messages import ClipInfo, FrameResult, ModelInfo, Outcome
from service.kinematics.process import Kinematics

MODEL = ModelInfo("kimnet-lite", "1.0", "ab" * 32)
SIZE = (640, 360)
INFO = ClipInfo(5, 5, 5, 200_000, "h264", start_us=0)
BOX = Region(10.5, 20.25, 60.0, 90.0)


def pose(seed: int) -> Pose:
    """Joints anywhere in the picture; the third is a guess."""
    generator = np.random.default_rng(seed)
    xy = generator.uniform(0, 300, (len(KINEPOSE_13), 2)).astype(np.float32)
    score = generator.uniform(0.5, 1, len(KINEPOSE_13)).astype(np.float32)
    score[2] = 0.125
    return Pose(xy, score)


def person(track_id: int, seed: int) -> Person:
    """Somebody with these joints."""
    return Person(track_id, 0.75, BOX, RegionSource.TRACKED, pose(seed))


def frame(seq: int, *people: Person, lost: tuple[LostTrack, ...] = ()) -> FrameResult:
    """A frame that was read, 25 a second."""
    return FrameResult(
        session_id="local",
        seq=seq,
        pts_us=40_000 * seq,
        outcome=Outcome.OK,
        model=MODEL,
        skeleton=KINEPOSE_13.name,
        joint_names=KINEPOSE_13.joints,
        image_size=SIZE,
        people=people,
        lost=lost,
    )


class ListedResults:
    """Results that are in memory, as `service.formats` reads them."""

    def __init__(self, *results: FrameResult, info: ClipInfo = INFO, name: str = "walk") -> None:
        self.info = replace(info, frames_emitted=len(results))
        self.name = name
        self.kinematics: Kinematics | None = None
        self.stills: list[tuple[str, bytes]] = []
        self._results = results

    def __iter__(self) -> Iterator[FrameResult]:
        return iter(self._results)


def two_people() -> ListedResults:
    """1 in frames 0 to 2, 3 in frames 2 and 4; nobody in frame 3's place, which failed; frame 1 loses 3."""
    failed = FrameResult(
        "local", 3, 120_000, Outcome.ERROR, MODEL, KINEPOSE_13.name, (), error_code="bad_image", error_detail="broken"
    )
    return ListedResults(
        frame(0, person(1, 0)),
        frame(1, person(1, 1), lost=(LostTrack(3, BOX),)),
        frame(2, person(1, 2), person(3, 3)),
        failed,
        frame(4, person(3, 4)),
    )


def one_person() -> ListedResults:
    """1 in frames 0 and 2; nobody in frame 1."""
    return ListedResults(frame(0, person(1, 0)), frame(1), frame(2, person(1, 2)))


def nobody() -> ListedResults:
    """Two frames of an empty room."""
    return ListedResults(frame(0), frame(1))
