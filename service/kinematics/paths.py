"""The joints of each person over a whole clip, as arrays."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from model.values import Array
from service.contract.messages import FrameResult

MICROSECONDS = 1_000_000
FALLBACK_HZ = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """One person's joints.

    Attributes:
        xy: float64 [T, K, 2], square pixels of the upright picture, y down; NaN where the person is not seen.
        score: float64 [T, K], 0 to 1; NaN likewise.
    """

    xy: Array
    score: Array


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Everybody's.

    Attributes:
        time_s: float64 [T], increasing; frames without times follow each other at 25 a second.
        people: by track number.
        height: of the picture, pixels; 0 where no frame was read.
    """

    time_s: Array
    people: dict[int, Path]
    height: int

    @property
    def hz(self) -> float:
        """Frames a second, by the middle of all steps."""
        return 1 / float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else FALLBACK_HZ


def paths_of(
    results: Iterable[FrameResult],
    joints: int,
    pixel_aspect: float = 1.0,
    every: int = 1,
    only: Collection[int] | None = None,
) -> Paths:
    """Take the first and each n-th result after it together.

    Args:
        results: all of them.
        joints: K.
        pixel_aspect: width over height of a pixel that they are told in.
        every: n.
        only: whom, by track number; None: everybody.
    """
    times: list[float] = []
    rows: dict[int, list[tuple[int, Array]]] = {}
    height = 0
    for place, result in enumerate(results):
        if place % every:
            continue
        index = len(times)
        times.append(place / FALLBACK_HZ if result.pts_us is None else result.pts_us / MICROSECONDS)
        height = height or (result.image_size[1] if result.image_size else 0)
        for person in (person for person in result.people if only is None or person.track_id in only):
            joined = np.column_stack((person.pose.xy_px, person.pose.score))  # float32 [K, 3]
            rows.setdefault(person.track_id, []).append((index, joined))
    people = {track_id: _path(seen, len(times), joints, pixel_aspect) for track_id, seen in sorted(rows.items())}
    return Paths(np.asarray(times), people, height)


def _path(seen: list[tuple[int, Array]], frames: int, joints: int, pixel_aspect: float) -> Path:
    table = np.full((frames, joints, 3), np.nan)
    table[[index for index, _ in seen]] = np.stack([joined for _, joined in seen])
    table[:, :, 0] *= pixel_aspect
    return Path(table[:, :, :2], table[:, :, 2])
