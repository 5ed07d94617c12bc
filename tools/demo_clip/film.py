"""What camera and file do to light: lens blur, vignette, tone curve, sensor noise, H.264."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]


def shrink(picture: Array, factor: int) -> Array:
    """[H * factor, W * factor, C] to [H, W, C], each pixel the mean of its block."""
    height, width, channels = picture.shape
    blocks = picture.reshape(height // factor, factor, width // factor, factor, channels)
    mean: Array = blocks.mean(axis=(1, 3))
    return mean


def develop(radiance: Array, rng: np.random.Generator) -> Bytes:
    """Linear radiance [H, W, 3], 1 is white, to an 8-bit sRGB picture [H, W, 3] as a phone would take it."""
    height, width, _ = radiance.shape
    soft = cv2.GaussianBlur(radiance, (0, 0), 0.55)
    glow = cv2.GaussianBlur(radiance, (0, 0), 9.0)
    y, x = np.mgrid[-1.0 : 1.0 : height * 1j, -1.0 : 1.0 : width * 1j]
    vignette = 1.0 - 0.13 * (x**2 + y**2)
    light = (0.96 * soft + 0.04 * glow) * vignette[:, :, None]
    exposed = 1.0 - np.exp(-1.0 * light)  # a film-like shoulder
    exposed *= 1.0 / (1.0 - np.exp(-1.0 * 1.45))
    srgb = np.clip(exposed, 0.0, 1.0) ** (1.0 / 2.2)
    grain = rng.normal(size=(height, width, 1)) * 0.007 + rng.normal(size=radiance.shape) * 0.004
    levels: Array = np.rint(np.clip(srgb + grain, 0.0, 1.0) * 255.0)
    return levels.astype(np.uint8)


def write_h264(path: Path, pictures: Iterable[Bytes], frames_per_second: int, quality: int) -> int:
    """Write RGB pictures [H, W, 3] as H.264 in MP4; returns how many.

    quality: x264's crf, 0 best to 51 worst. One thread, so that the same pictures give the same file.
    """
    count = 0
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as file:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = file.add_stream("libx264", rate=Fraction(frames_per_second))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.thread_count = 1
                stream.options = {"crf": str(quality), "preset": "slow", "threads": "1"}
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            count += 1
        if stream is not None:
            file.mux(stream.encode(None))
    return count


def presentation_times(path: Path) -> list[int]:
    """The pts of each frame of a clip in microseconds, read back from the file."""
    times = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if frame.pts is None or frame.time_base is None:
                raise ValueError(f"{path}: a frame without a time")
            times.append(round(frame.pts * frame.time_base * 1_000_000))
    return times
