"""Small clips for tests: every codec, rotations, odd times, and files that are cut off or no clip at all."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from model.values import Array

RATE = 25
MILLISECOND = Fraction(1, 1000)


def scene(count: int, width: int = 64, height: int = 48) -> Iterator[Array]:
    """RGB pictures that grow brighter, each with a red block in the top left corner."""
    for index in range(count):
        rgb = np.full((height, width, 3), 40 + index * 5 % 160, np.uint8)
        rgb[: height // 3, : width // 3] = (230, 20, 20)
        yield rgb


def make_clip(
    path: Path,
    codec: str = "libx264",
    *,
    pictures: Sequence[Array] | None = None,
    count: int = 10,
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    turn: tuple[float, bool, bool] | None = None,
    container: dict[str, str] | None = None,
    quality: dict[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Write a clip and return its path.

    times_ms: one a picture, else RATE a second. turn: display rotation in degrees counter-clockwise, and the
    flips after it. container, quality: options of FFmpeg's muxer and encoder.
    """
    pictures = list(scene(count, *size)) if pictures is None else pictures
    with same_priority(), av.open(str(path), "w", options=container or {}) as output:
        if title is not None:
            output.metadata["title"] = title
        stream = output.add_stream(codec, rate=RATE, options=quality or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        if times_ms is not None:
            stream.codec_context.time_base = MILLISECOND
        if turn is not None:
            stream.set_display_rotation(*turn)
        for index, rgb in enumerate(pictures):
            picture = VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixels)
            picture.time_base = Fraction(1, RATE) if times_ms is None else MILLISECOND
            picture.pts = index if times_ms is None else times_ms[index]
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


@contextmanager
def same_priority() -> Iterator[None]:
    """SVT-AV1 makes the thread that encodes a real-time one where it may: a Redis on the same core would starve."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def make_sound(path: Path) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 44100, 0
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))
    return path


def cut(path: Path, share: float, name: str = "cut") -> Path:
    """A copy that ends after this share of the bytes."""
    whole = path.read_bytes()
    shorter = path.with_stem(f"{path.stem}-{name}")
    shorter.write_bytes(whole[: int(len(whole) * share)])
    return shorter


def make_cut_off(folder: Path, count: int = 60) -> Path:
    """An MP4 whose index is whole and whose last third of the pictures is missing."""
    noise = np.random.default_rng(0).integers(0, 255, (count, 48, 64, 3), np.uint8)
    whole = make_clip(folder / "whole.mp4", pictures=list(noise), container={"movflags": "faststart"})
    return cut(whole, 0.67)
