"""TrackState: all that frame t leaves behind for frame t+1, and its byte codec."""

from dataclasses import dataclass

import numpy as np

from model.values import Array, FrameTransform


@dataclass(frozen=True, slots=True, eq=False)
class TrackState:
    """The state of one tracked person after frame `seq`.

    q and m are float16, here as on the wire, so that a session that was stored and read back continues exactly as
    one that stayed in memory.

    Attributes:
        model: digest of the weights that made it (first 16 hexadecimal digits of their sha256).
        q, m: float16 [K, h, w], query maps and carried heatmaps, in the crop `transform`.
        transform: the crop of frame `seq`.
        xy_px: float32 [K, 2], the joints of frame `seq`, frame pixels.
        score: float32 [K], in [0, 1].
        box: the person's box for the next frame x, y, w, h, frame pixels (smoothed, without margin).
        lost_frames: how many frames in a row the person was not seen; 0 while tracked.
        seq: number of the frame, from 0.
        pts_us: its presentation time, or None.
        image_size: width, height that every frame of the session must have.
    """

    model: str
    q: Array
    m: Array
    transform: FrameTransform
    xy_px: Array
    score: Array
    box: tuple[float, float, float, float]
    lost_frames: int
    seq: int
    pts_us: int | None
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("q", "m"):
            value: Array = getattr(self, name)
            if value.dtype != np.float16 or value.ndim != 3:
                raise ValueError(f"TrackState.{name}: expected float16 [K, h, w], got {value.dtype} {value.shape}")
