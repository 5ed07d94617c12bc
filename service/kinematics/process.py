"""Results of a finished clip to kinematics: outliers out, gaps filled, smoothed; then angles and metres of that."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Final

import numpy as np

from model.skeletons import Skeleton
from model.values import Array
from service.contract.messages import FrameResult, TrackKinematics
from service.errors import BadRequest
from service.kinematics import filters
from service.kinematics.angles import NAMES, angles_of
from service.kinematics.filters import OneEuro
from service.kinematics.paths import FALLBACK_HZ, Path, Paths, paths_of
from service.kinematics.scale import metres_per_pixel

SMOOTHERS: Final[dict[str, filters.Smoother]] = {
    "one_euro": filters.one_euro,
    "butterworth": filters.butterworth,
    "savgol": filters.savgol,
}
NEED_SCIPY: Final = ("butterworth", "savgol")
OUTLIER_SHARE: Final = 0.02
"""Nearer than this share of the picture's height to its neighbours no joint is an outlier."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of the joints. BadRequest where it does not fit together.

    Attributes:
        smooth: a name of SMOOTHERS; None leaves them as they are.
        strength: of it: the (least) cut-off in Hz, or the window of savgol in seconds; None: its own default.
        min_score: joints below it count as not seen.
        reject_outliers: joints that jump out of their path and back count as not seen.
        fill_gaps_s: gaps up to so long are filled with straight lines; 0: none.
        angles: whether joint angles are told.
        height_m: how tall each person is, for metres.
        metres_per_pixel: in place of it.
    """

    smooth: str | None = None
    strength: float | None = None
    min_score: float = 0.0
    reject_outliers: bool = False
    fill_gaps_s: float = 0.0
    angles: bool = False
    height_m: float | None = None
    metres_per_pixel: float | None = None

    def __post_init__(self) -> None:
        if self.smooth is not None and self.smooth not in SMOOTHERS:
            raise BadRequest(f"smooth: {self.smooth[:40]!r} is not known; there are {', '.join(SMOOTHERS)}")
        if self.smooth in NEED_SCIPY and find_spec("scipy") is None:
            raise BadRequest(f"{self.smooth} needs scipy, which is not installed: pip install 'kinepose[kinematics]'")
        if self.height_m is not None and self.metres_per_pixel is not None:
            raise BadRequest("give a height or metres a pixel, not both")

    @property
    def filtered(self) -> bool:
        """Whether paths differ from what was read."""
        return bool(self.smooth or self.min_score or self.reject_outliers or self.fill_gaps_s)

    @property
    def in_metres(self) -> bool:
        """Whether there is a scale."""
        return self.height_m is not None or self.metres_per_pixel is not None

    @property
    def causal(self) -> bool:
        """Whether it can be told of each frame when it is there; the rest takes the whole clip together."""
        whole = self.reject_outliers or self.fill_gaps_s or self.angles or self.height_m is not None
        return self.smooth in (None, "one_euro") and not whole

    @property
    def nothing(self) -> bool:
        """Whether results stay as they are."""
        return not (self.filtered or self.in_metres or self.angles)


@dataclass(frozen=True, slots=True, eq=False)
class Kinematics:
    """What was made of everybody's joints.

    Attributes:
        columns: names of the values, C of them.
        tables: by track number: float64 [T, C], NaN where there is none.
        xy: by track number: joints [T, K, 2], square pixels, y down, filtered where that was wanted.
        scales: metres a pixel by track number; empty where no scale is wanted.
    """

    columns: tuple[str, ...]
    tables: dict[int, Array]
    xy: dict[int, Array]
    scales: dict[int, float]

    def tracks_at(self, frame: int) -> list[int]:
        """Who has values in the frame of this index, seen or filled in."""
        return [track_id for track_id, table in self.tables.items() if not np.isnan(table[frame]).all()]

    def at(self, frame: int) -> tuple[TrackKinematics, ...]:
        """These values."""
        tracks = self.tracks_at(frame)
        return tuple(TrackKinematics(track_id, self._known(self.tables[track_id][frame])) for track_id in tracks)

    def _known(self, row: Array) -> dict[str, float]:
        values = zip(self.columns, row.tolist(), strict=True)
        return {name: _shortest(value) for name, value in values if not math.isnan(value)}


def kinematics_of(
    results: Iterable[FrameResult], skeleton: Skeleton, wanted: Wanted, pixel_aspect: float = 1.0
) -> Kinematics:
    """All results through what is wanted. `pixel_aspect`: width over height of a pixel that they are told in."""
    paths = paths_of(results, len(skeleton), pixel_aspect)
    xy = {track_id: filtered(path, paths, wanted) for track_id, path in paths.people.items()}
    return _made(xy, paths.height, skeleton, wanted, pixel_aspect)


def _made(xy: dict[int, Array], height: int, skeleton: Skeleton, wanted: Wanted, pixel_aspect: float) -> Kinematics:
    """Of paths that are filtered already."""
    scales = {track_id: _scale(points, skeleton, wanted) for track_id, points in xy.items()} if wanted.in_metres else {}
    tables = {
        track_id: _table(points, skeleton, wanted, height, scales.get(track_id), pixel_aspect)
        for track_id, points in xy.items()
    }
    return Kinematics(columns(skeleton, wanted), tables, xy, scales)


def columns(skeleton: Skeleton, wanted: Wanted) -> tuple[str, ...]:
    """`head_x_filtered` in pixels as joints are told in; `head_x_m`, y up from the picture's foot; angles."""
    names: list[str] = []
    if wanted.filtered:
        names += [f"{joint}_{axis}_filtered" for joint in skeleton.joints for axis in "xy"]
    if wanted.in_metres:
        names += [f"{joint}_{axis}_m" for joint in skeleton.joints for axis in "xy"]
    return (*names, *(NAMES if wanted.angles else ()))


def filtered(path: Path, paths: Paths, wanted: Wanted) -> Array:
    """A person's joints [T, K, 2] as they are wanted."""
    xy = np.where((path.score < wanted.min_score)[:, :, None], np.nan, path.xy)
    if wanted.reject_outliers:
        xy = filters.without_outliers(xy, OUTLIER_SHARE * paths.height)
    if wanted.fill_gaps_s:
        xy = filters.filled(xy, paths.time_s, wanted.fill_gaps_s)
    if wanted.smooth is None:
        return xy
    strength = () if wanted.strength is None else (wanted.strength,)
    return SMOOTHERS[wanted.smooth](xy, paths.time_s, *strength)


def _scale(xy: Array, skeleton: Skeleton, wanted: Wanted) -> float:
    if wanted.metres_per_pixel is not None:
        return wanted.metres_per_pixel
    assert wanted.height_m is not None
    return metres_per_pixel(xy, skeleton, wanted.height_m)


def _table(
    xy: Array, skeleton: Skeleton, wanted: Wanted, height: int, scale: float | None, pixel_aspect: float
) -> Array:
    frames = len(xy)
    parts: list[Array] = [np.empty((frames, 0))]
    if wanted.filtered:
        parts.append((xy / (pixel_aspect, 1)).reshape(frames, -1))
    if scale is not None:
        parts.append((upwards(xy, height) * scale).reshape(frames, -1))
    if wanted.angles:
        parts.append(angles_of(xy, skeleton))
    return np.concatenate(parts, axis=1)


def upwards(xy: Array, height: int) -> Array:
    """Points [..., 2] with y up from the lowest row of a picture of this height."""
    return np.stack((xy[..., 0], height - 1 - xy[..., 1]), axis=-1)


def _shortest(value: float) -> float:
    """A float32 as a float that is written with the fewest digits."""
    return float(str(np.float32(value)))


class FrameByFrame:
    """What is wanted, made of each frame when it is there; for what is `causal`. The same values as of the whole clip.

    Args:
        skeleton: of the results.
        wanted: what is made of them.
        pixel_aspect: width over height of a pixel that they are told in.
        filters: by track number: what `filters` was after the frame before; none at the start.

    Attributes:
        filters: what the next frame goes on from.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        wanted: Wanted,
        pixel_aspect: float = 1.0,
        filters: Mapping[int, OneEuro] | None = None,
    ) -> None:
        self._skeleton = skeleton
        self._wanted = wanted
        self._pixel_aspect = pixel_aspect
        self.filters = dict(filters or {})

    def __call__(self, result: FrameResult) -> Kinematics:
        """Of one frame, whose index is 0 in it. Frames come in order."""
        paths = paths_of([result], len(self._skeleton), self._pixel_aspect)
        time_s = result.seq / FALLBACK_HZ if result.pts_us is None else float(paths.time_s[0])
        plain = replace(self._wanted, smooth=None)
        xy = {track_id: filtered(path, paths, plain) for track_id, path in paths.people.items()}
        # Whoever comes back begins anew, as after a gap in a whole clip.
        self.filters = {track_id: smooth for track_id, smooth in self.filters.items() if track_id in xy}
        if self._wanted.smooth is not None:
            xy = {track_id: self._smoothed(track_id, time_s, points) for track_id, points in xy.items()}
        return _made(xy, paths.height, self._skeleton, self._wanted, self._pixel_aspect)

    def _smoothed(self, track_id: int, time_s: float, points: Array) -> Array:
        if track_id not in self.filters:
            strength = () if self._wanted.strength is None else (self._wanted.strength,)
            self.filters[track_id] = OneEuro(*strength)
        return self.filters[track_id](time_s, points)
