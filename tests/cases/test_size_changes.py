"""The picture changes its size in the middle of a clip: a stream that adapts to its network, a phone that is turned.

As JSON all was lost.
Source: https://github.com/w3c/mediacapture-record/issues/173 and https://github.com/Kurento/bugtracker/issues/535.
Right: no frame is lost. All joints are in pixels of the first frame: a picture of another size is fitted into it, its
form kept, and the change is told in `gaps`.
"""

from pathlib import Path

import numpy as np
import pytest

from model.values import Frame
from service.contract.messages import ClipGap, GapReason
from service.errors import FrameSizeChanged, ImageTooLarge
from service.media.limits import ClipLimits
from service.media.overlay import render_overlay
from service.media.video import open_video
from tests.service.media.test_overlay import result_of
from tests.service.media.test_video import red_corner
from tests.support.clips import make_clip

ENCODERS = {"h264": "libx264", "ts": "libx264", "ivf": "libvpx"}
IVF_HEADER = 32


def joined(folder: Path, *sizes: tuple[int, int], container: str = "h264") -> Path:
    """Five pictures of each size, one after the other."""
    parts = []
    for number, size in enumerate(sizes):
        part = folder / f"{number}.{container}"
        parts.append(make_clip(part, ENCODERS[container], count=5, size=size).read_bytes())
    path = folder / f"joined.{container}"
    cut = IVF_HEADER if container == "ivf" else 0
    path.write_bytes(parts[0] + b"".join(part[cut:] for part in parts[1:]))
    return path


def read(path: Path) -> tuple[list[Frame], tuple[ClipGap, ...]]:
    """All frames, and the gaps."""
    with open_video(path) as video:
        return list(video), video.gaps


@pytest.mark.parametrize("container", ["h264", "ts", "ivf"])
def test_later_pictures_are_scaled_to_the_first_ones_size(tmp_path: Path, container: str) -> None:
    """None is lost, and what is in them lies where it lay."""
    frames, gaps = read(joined(tmp_path, (64, 48), (128, 96), container=container))

    assert {frame.size for frame in frames} == {(64, 48)}
    assert len(frames) == 10
    assert [(gap.after_seq, gap.reason) for gap in gaps] == [(4, GapReason.SIZE_CHANGED)]
    assert {red_corner(frame.rgb) for frame in frames} == {"top left"}
    assert np.abs(frames[9].rgb.astype(int) - frames[4].rgb).mean() < 20


def test_a_picture_of_another_form_keeps_it(tmp_path: Path) -> None:
    """Upright in a wide frame, it stands in the middle with black beside it."""
    frames, _ = read(joined(tmp_path, (96, 64), (64, 96)))

    last = frames[-1].rgb
    assert last.shape == (64, 96, 3)
    assert last[:, :25].max() == last[:, 71:].max() == 0
    assert last[:, 28:68].min(axis=2).mean() > 15


def test_each_change_is_told(tmp_path: Path) -> None:
    """There and back are two."""
    _, gaps = read(joined(tmp_path, (64, 48), (128, 96), (64, 48)))

    assert [(gap.after_seq, gap.reason.value) for gap in gaps] == [(4, "size_changed"), (9, "size_changed")]


def test_the_overlay_has_one_size(tmp_path: Path) -> None:
    """That of the first frame."""
    clip, out = joined(tmp_path, (64, 48), (128, 96)), tmp_path / "out.mp4"

    render_overlay(clip, [result_of(None)] * 10, out)

    frames, gaps = read(out)
    assert (len(frames), frames[0].size, gaps) == (10, (64, 48), ())


def test_strict_refuses_the_change(tmp_path: Path) -> None:
    """After the frames of the first size."""
    frames: list[Frame] = []
    path = joined(tmp_path, (64, 48), (128, 96))

    with pytest.raises(FrameSizeChanged, match="64 x 48 to 128 x 96"), open_video(path, strict=True) as video:
        frames.extend(video)

    assert len(frames) == 5


def test_a_picture_beyond_the_limit_is_passed_over(tmp_path: Path) -> None:
    """It is not decoded; what comes before it and after it is kept."""
    path = joined(tmp_path, (64, 48), (128, 96), (64, 48), container="ivf")

    with open_video(path, ClipLimits(pixels=64 * 48)) as video:
        assert len(list(video)) == 10
    assert [(gap.after_seq, gap.reason.value) for gap in video.gaps] == [(4, "damaged")]


def test_a_clip_beyond_the_limit_is_refused_by_its_header(tmp_path: Path) -> None:
    """Not even its first picture is decoded."""
    with pytest.raises(ImageTooLarge), open_video(joined(tmp_path, (128, 96)), ClipLimits(pixels=64 * 48)):
        pass
