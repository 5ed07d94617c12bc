"""SessionState: all that frame t leaves behind for frame t+1. Its bytes are in `model.state_codec`."""

from dataclasses import dataclass

import numpy as np

from model.values import Array, FrameTransform, Region

LEVELS = 255
"""Steps between a map's least and its largest value."""
_LIMIT = 65504.0
"""Larger values are cut: no map of ours comes near, and differences of theirs stay finite."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedMaps:
    """Maps in 8 bits: map k is low[k] + step[k] * levels[k].

    The tracker goes on from these, not from what the network gave, so that a session whose state was stored and read
    back continues exactly as one that stayed in memory.

    Attributes:
        levels: uint8 [K, h, w].
        low, step: float32 [K], finite; step is not negative.
    """

    levels: Array
    low: Array
    step: Array

    def __post_init__(self) -> None:
        if self.levels.dtype != np.uint8 or self.levels.ndim != 3:
            raise ValueError(f"QuantisedMaps: expected uint8 [K, h, w], got {self.levels.dtype} {self.levels.shape}")
        for name in ("low", "step"):
            value: Array = getattr(self, name)
            if value.dtype != np.float32 or value.shape != self.levels.shape[:1]:
                raise ValueError(f"QuantisedMaps.{name}: expected float32 [K], got {value.dtype} {value.shape}")

    def maps(self) -> Array:
        """The maps float32 [K, h, w]."""
        maps = self.levels.astype(np.float32)
        maps *= self.step[:, None, None]
        maps += self.low[:, None, None]
        return maps


def quantise(maps: Array) -> QuantisedMaps:
    """Maps [K, h, w] in 8 bits, each between its least and its largest value; what is not finite becomes finite."""
    count, height, width = maps.shape
    flat = np.asarray(maps, np.float32).reshape(count, height * width)
    low, high = flat.min(axis=1), flat.max(axis=1)
    # A NaN anywhere is the least and the largest value, too.
    if not (np.all(low >= -_LIMIT) and np.all(high <= _LIMIT)):
        flat = np.nan_to_num(flat, nan=0.0).clip(-_LIMIT, _LIMIT)
        low, high = flat.min(axis=1), flat.max(axis=1)
    step = (high - low) / np.float32(LEVELS)
    # The inverse of a smaller step is not finite: such a map is flat.
    scale = np.divide(1, step, out=np.zeros_like(step), where=step > np.finfo(np.float32).tiny)
    levels = flat - low[:, None]
    levels *= scale[:, None]
    np.rint(levels, out=levels)  # 0 to 255: rounding of the steps above moves no value by half of one
    return QuantisedMaps(levels.astype(np.uint8).reshape(maps.shape), low, step)


MOST_TRACKS = 16
"""Tracks that one session follows at most."""

SCENE_BYTES = 8 * 6 * 3
"""Bytes of the small picture that tells scenes apart."""

UNNAMED = 0
"""The track_id of a place that is watched where nobody has been seen yet; people count from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackState:
    """One tracked person after a frame.

    Attributes:
        track_id: the person's number, or `UNNAMED`.
        q, m: query maps and carried heatmaps, in the crop `transform`. What another method than KIMNet keeps stands in
            the place of q, in as many channels as it needs.
        transform: the crop of that frame.
        box: the person's box for the next frame, frame pixels (smoothed, without margin).
        last_region: the box that the person was last seen in; the one that they were looked for in if never.
        lost_frames: how many frames in a row the person was not seen; 0 while tracked.
        velocity: how far the box's middle moves a frame, smoothed, frame pixels; 0 where one person is followed.
        course: where the box's middle would be had the person gone on as before, while another person is hidden behind
            them or they are mixed up; None else.
    """

    track_id: int
    q: QuantisedMaps
    m: QuantisedMaps
    transform: FrameTransform
    box: Region
    last_region: Region
    lost_frames: int
    velocity: tuple[float, float] = (0.0, 0.0)
    course: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.q.levels.shape[1:] != self.m.levels.shape[1:]:
            raise ValueError(f"TrackState: q {self.q.levels.shape} does not go with m {self.m.levels.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class FilterState:
    """What a causal filter of one person's joints goes on from. It is kept with the tracks and not read by the model.

    Attributes:
        time_s: of the frame that it is of.
        xy, speed: float64 [K, 2], pixels, and pixels a second.
    """

    track_id: int
    time_s: float
    xy: Array
    speed: Array

    def __post_init__(self) -> None:
        for name in ("xy", "speed"):
            value: Array = getattr(self, name)
            if value.dtype != np.float64 or value.shape != (len(self.xy), 2):
                raise ValueError(f"FilterState.{name}: expected float64 [K, 2], got {value.dtype} {value.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class SessionState:
    """All that a frame of a session leaves behind: whoever has it continues the session exactly.

    Attributes:
        model: digest of what computed it; a state goes on only on its like.
        image_size: width, height that every frame of the session must have.
        tracks: who is followed, the oldest first; at most `MOST_TRACKS`.
        next_id: the number that the next new person gets.
        looked_ago: frames since the finder looked at a whole one; 0 where it never did.
        looked_us: pts_us of the frame that the finder last looked at; None where it had none, or there was no look.
        filters: of people in the frame, by whoever makes their joints smooth; at most `MOST_TRACKS`.
        scene: uint8, a small picture of the frame, by which a cut is told; empty where one person is followed.
    """

    model: str
    image_size: tuple[int, int]
    tracks: tuple[TrackState, ...]
    next_id: int = 1
    looked_ago: int = 0
    scene: bytes = b""
    looked_us: int | None = None
    filters: tuple[FilterState, ...] = ()

    def __post_init__(self) -> None:
        for name in ("tracks", "filters"):
            if len(getattr(self, name)) > MOST_TRACKS:
                raise ValueError(f"SessionState.{name}: expected at most {MOST_TRACKS}, got {len(getattr(self, name))}")
        if len(self.scene) not in (0, SCENE_BYTES):
            raise ValueError(f"SessionState.scene: expected {SCENE_BYTES} bytes or none, got {len(self.scene)}")
        named = [track.track_id for track in self.tracks if track.track_id != UNNAMED]
        if len(set(named)) != len(named) or not all(0 < track_id < self.next_id for track_id in named):
            raise ValueError(f"SessionState: tracks {named} do not go with next_id {self.next_id}")
