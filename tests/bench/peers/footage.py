"""The clips that all subjects read: the bundled one, played forth and back so that motion never jumps."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from bench.footage import forth_and_back
from model.values import Array
from service.demo.__main__ import BUNDLED_CLIP
from service.media.video import open_video

_RATE = 25


@dataclass(frozen=True, slots=True)
class TestClip:
    """A clip, and how many frames it has."""

    path: Path
    frames: int


def make_clips(folder: Path, *lengths: int) -> list[TestClip]:
    """Clips of these lengths in frames, H.264; what is there stays."""
    clips = [TestClip(folder.absolute() / f"clip-{length}.mp4", length) for length in lengths]
    if not all(clip.path.exists() for clip in clips):
        with open_video(BUNDLED_CLIP) as video:
            pictures = [frame.rgb.copy() for frame in video]
        for clip in clips:
            write_clip(clip.path, [pictures[forth_and_back(n, len(pictures))] for n in range(clip.frames)])
    return clips


def write_clip(path: Path, pictures: list[Array]) -> None:
    """Pictures uint8 [H, W, 3], RGB, as an MP4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", _RATE, options={"crf": "20"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
