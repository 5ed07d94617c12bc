"""What writers read: a clip's results that can be gone through again and again."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from kinepose_client.wire_json import result_from_json
from model.skeletons import KINEPOSE_13, SKELETONS, Skeleton
from service.contract.messages import ClipInfo, FrameResult
from service.kinematics.process import Kinematics, Wanted, kinematics_of

FALLBACK_HZ = 25.0
"""Where a clip has no two times of which a rate could be made."""
MICROSECONDS = 1_000_000

Still = tuple[str, bytes]
"""A picture of a clip: what it shows, and a JPEG."""


class Results(Protocol):
    """The results of one clip, in the order of its frames; each iteration begins at the first one."""

    @property
    def info(self) -> ClipInfo:
        """What is known of the clip."""

    @property
    def name(self) -> str:
        """What files are named after; no path."""

    @property
    def kinematics(self) -> Kinematics | None:
        """What was made of the joints, if anything was wanted."""

    @property
    def stills(self) -> Sequence[Still]:
        """Some pictures of the clip, where there are any."""

    def __iter__(self) -> Iterator[FrameResult]: ...


class StoredResults:
    """Results that lie in a file, one JSON object a line. One iteration at a time: they share the file.

    Args:
        info: what is known of the clip.
        lines: an open file that can be sought.
        name: what files are named after.

    Attributes:
        kinematics: what was made of the joints, once `process` has been called.
        stills: pictures of the clip, where it is at hand.
    """

    def __init__(self, info: ClipInfo, lines: BinaryIO, name: str = "clip") -> None:
        self.info = info
        self.name = name
        self.kinematics: Kinematics | None = None
        self.stills: Sequence[Still] = ()
        self._lines = lines

    def process(self, wanted: Wanted) -> None:
        """Make of all joints what is wanted; every format that can tells it beside them. Takes memory by length."""
        if not wanted.nothing:
            self.kinematics = kinematics_of(self, skeleton_of(self), wanted, self.info.pixel_aspect)

    def __iter__(self) -> Iterator[FrameResult]:
        return (result_from_json(json.loads(text)) for text in self.lines())

    def lines(self) -> Iterator[bytes]:
        """The lines as they are."""
        self._lines.seek(0)
        return iter(self._lines)


@dataclass(frozen=True, slots=True)
class Survey:
    """What some headers tell before the first frame.

    Attributes:
        skeleton: of all frames.
        size: width and height of the upright picture, pixels; None where no frame was read.
        track_ids: everybody who was seen, by number.
        frames: how many results there are.
        hz: frames a second, by the times of the first and the last frame.
        model: the model that made them, "name version".
    """

    skeleton: Skeleton
    size: tuple[int, int] | None
    track_ids: tuple[int, ...]
    frames: int
    hz: float
    model: str


def survey(results: Iterable[FrameResult]) -> Survey:
    """Look through the results once."""
    first: FrameResult | None = None
    size: tuple[int, int] | None = None
    track_ids: set[int] = set()
    times: list[int | None] = [None, None]
    frames = 0
    for result in results:
        first = first or result
        size = size or result.image_size
        track_ids.update(person.track_id for person in result.people)
        times = [result.pts_us if frames == 0 else times[0], result.pts_us]
        frames += 1
    skeleton = SKELETONS[first.skeleton] if first else KINEPOSE_13
    model = f"{first.model.name} {first.model.version}" if first else "kinepose"
    return Survey(skeleton, size, tuple(sorted(track_ids)), frames, _rate(times[0], times[1], frames), model)


def skeleton_of(results: Iterable[FrameResult]) -> Skeleton:
    """The skeleton of all frames."""
    first = next(iter(results), None)
    return SKELETONS[first.skeleton] if first else KINEPOSE_13


def _rate(first_us: int | None, last_us: int | None, frames: int) -> float:
    if first_us is None or last_us is None or last_us <= first_us:
        return FALLBACK_HZ
    return (frames - 1) * MICROSECONDS / (last_us - first_us)
