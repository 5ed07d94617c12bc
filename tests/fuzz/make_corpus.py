"""`python -m tests.fuzz.make_corpus`: writes the clips of `corpus/clip` anew: small, of each container and codec."""

import tempfile
from pathlib import Path

import numpy as np

from model.values import Array
from tests.fuzz.corpus import FOLDER
from tests.support.clips import make_clip, make_sound

FORMS = (
    ("h264.mp4", "libx264", "yuv420p"),
    ("hevc.mp4", "libx265", "yuv420p"),
    ("av1.mp4", "libsvtav1", "yuv420p"),
    ("h264.mkv", "libx264", "yuv420p"),
    ("vp8.webm", "libvpx", "yuv420p"),
    ("vp9.webm", "libvpx-vp9", "yuv420p"),
    ("mpeg4.avi", "mpeg4", "yuv420p"),
    ("mjpeg.avi", "mjpeg", "yuvj420p"),
    ("ffv1.mkv", "ffv1", "yuv420p"),
    ("raw.avi", "rawvideo", "yuv420p"),
    ("mpeg2.ts", "mpeg2video", "yuv420p"),
    ("h264.ts", "libx264", "yuv420p"),
    ("mpeg1.mpg", "mpeg1video", "yuv420p"),
    ("flv1.flv", "flv", "yuv420p"),
    ("wmv2.wmv", "wmv2", "yuv420p"),
    ("prores.mov", "prores_ks", "yuv422p10le"),
    ("vp8.ivf", "libvpx", "yuv420p"),
    ("plain.h264", "libx264", "yuv420p"),
)


def main() -> None:
    """Overwrites what is there under the same names."""
    FOLDER.joinpath("clip").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for made in _made(Path(name)):
            (FOLDER / "clip" / made.name).write_bytes(made.read_bytes())


def _made(folder: Path) -> list[Path]:
    small = pictures(6, 32, 24)
    quality = {"g": "3"}
    clips = [make_clip(folder / name, codec, pictures=small, pixels=of, quality=quality) for name, codec, of in FORMS]
    turned = make_clip(folder / "turned.mp4", pictures=small, turn=(90.0, False, False))
    return [
        *clips,
        turned,
        make_clip(folder / "paused.mkv", pictures=small, times_ms=[0, 40, 80, 9000, 9040, 9080]),
        make_sound(folder / "sound.mp4"),
    ]


def pictures(count: int, width: int, height: int) -> list[Array]:
    """A block that walks over a plain ground."""
    found = [np.full((height, width, 3), 60, np.uint8) for _ in range(count)]
    for place, rgb in enumerate(found):
        rgb[6:18, place : place + 8] = (200, 60, 20 * place)
    return found


if __name__ == "__main__":
    main()
