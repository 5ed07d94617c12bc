"""A clip that is damaged in the middle: a transport packet lost, bytes gone bad, the file cut off.

One lost packet ended a clip there and as JSON lost all of it, while flipped bytes passed unnoticed.
Source: https://github.com/microsoft/FFmpegInterop/issues/175 (streams end at the first broken packet) and
https://github.com/PyAV-Org/PyAV/issues/1597 (a transport stream's mark is one packet off).
Right, in every container: decoding goes on at the next key frame, each gap is told, no picture known to be damaged is
given out, and what is good is kept. `strict` refuses such a clip. Nothing left at all is `bad_clip`.
"""

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from model.values import Array, Frame
from service.contract.messages import ClipGap, GapReason
from service.errors import BadClip
from service.media.video import open_video
from tests.support.clips import make_clip, make_cut_off

COUNT, KEY_EVERY = 45, 15
TS_PACKET = 188
FORMS = [
    ("clip.mp4", "libx264", "yuv420p"),
    ("clip.mkv", "libx264", "yuv420p"),
    ("clip.ts", "mpeg2video", "yuv420p"),
    ("clip.avi", "mpeg4", "yuv420p"),
]


def walk(count: int = COUNT) -> list[Array]:
    """A block that walks over a ground that drifts."""
    ground = np.random.default_rng(3).integers(0, 128, (120, 160, 3), np.uint8)
    pictures = [np.roll(ground, 2 * index, axis=1) for index in range(count)]
    for index, picture in enumerate(pictures):
        picture[30:90, 2 * index : 2 * index + 40] = (200, 60, 5 * index)
    return pictures


def make(path: Path, encoder: str = "libx264", pixels: str = "yuv420p") -> Path:
    """45 pictures with a key frame every 15."""
    quality = {"g": str(KEY_EVERY), "keyint_min": str(KEY_EVERY), "sc_threshold": "0"}
    return make_clip(path, encoder, pictures=walk(), pixels=pixels, quality=quality)


def read(path: Path) -> tuple[list[Frame], tuple[ClipGap, ...]]:
    """All frames that are given out, and the gaps."""
    with open_video(path) as video:
        return list(video), video.gaps


def without_packet(path: Path, place: float) -> Path:
    """The transport stream without the packet of pictures that lies at this share of it."""
    data = path.read_bytes()
    packets = [data[at : at + TS_PACKET] for at in range(0, len(data), TS_PACKET)]
    first = int(len(packets) * place)
    lost = next(at for at in range(first, len(packets)) if packets[at][1:3] == b"\x01\x00")  # the PID
    path.write_bytes(b"".join(packets[:lost] + packets[lost + 1 :]))
    return path


def with_flipped_bytes(path: Path, number: int) -> Path:
    """The file with noise in the middle of this packet, counted from 0."""
    with av.open(str(path)) as container:
        packet = next(islice(container.demux(video=0), number, None))
    assert packet.pos is not None
    data = bytearray(path.read_bytes())
    at = packet.pos + packet.size // 2
    data[at : at + 16] = np.random.default_rng(7).bytes(16)
    path.write_bytes(data)
    return path


def assert_good(frames: list[Frame], whole: list[Frame]) -> None:
    """Each frame is the one of the whole clip at its time."""
    pictures = {frame.pts_us: frame.rgb for frame in whole}
    for frame in frames:
        assert frame.pts_us in pictures
        assert np.array_equal(frame.rgb, pictures[frame.pts_us])


@pytest.mark.parametrize("place", [0.25, 0.4, 0.5, 0.6])
def test_a_lost_transport_packet_costs_no_more_than_up_to_the_next_key_frame(tmp_path: Path, place: float) -> None:
    """At least 30 of 45 frames, all as they should be, and where the others would be."""
    whole, _ = read(make(tmp_path / "clip.ts"))

    frames, gaps = read(without_packet(tmp_path / "clip.ts", place))

    [gap] = gaps
    assert gap.reason is GapReason.DAMAGED
    assert COUNT - KEY_EVERY <= len(frames) < COUNT
    assert_good(frames, whole)
    assert gap.after_seq is not None
    assert gap.pts_us == pytest.approx((frames[gap.after_seq].pts_us or 0) + 40_000, abs=2)


@pytest.mark.parametrize(("name", "encoder", "pixels"), FORMS)
def test_flipped_bytes_are_noticed_and_passed_over(tmp_path: Path, name: str, encoder: str, pixels: str) -> None:
    """In each container, by what its decoder sees; the frames after the next key frame are there."""
    whole, _ = read(make(tmp_path / name, encoder, pixels))

    frames, gaps = read(with_flipped_bytes(tmp_path / name, 20))

    assert [gap.reason for gap in gaps] == [GapReason.DAMAGED]
    assert COUNT - KEY_EVERY <= len(frames) < COUNT
    assert frames[-1].pts_us == whole[-1].pts_us
    assert_good(frames, whole)


def test_two_damaged_places_are_two_gaps(tmp_path: Path) -> None:
    """Each with the frame before it."""
    path = make(tmp_path / "clip.mp4")

    frames, gaps = read(with_flipped_bytes(with_flipped_bytes(path, 5), 35))

    assert [gap.reason for gap in gaps] == [GapReason.DAMAGED] * 2
    assert gaps[0].after_seq is not None
    assert gaps[1].after_seq is not None
    assert gaps[0].after_seq < gaps[1].after_seq < len(frames)


def test_a_damaged_beginning_is_a_gap_before_the_first_frame(tmp_path: Path) -> None:
    """Its first picture is that of the second key frame, at 0."""
    frames, gaps = read(with_flipped_bytes(make(tmp_path / "clip.mp4"), 0))

    assert gaps == (ClipGap(None, 0, GapReason.DAMAGED),)
    assert len(frames) == COUNT - KEY_EVERY
    assert frames[0].pts_us == 0


def test_a_clip_that_is_cut_off_keeps_what_it_had(tmp_path: Path) -> None:
    """And is as long as that."""
    with open_video(make_cut_off(tmp_path)) as video:
        frames = list(video)

    assert video.gaps == (ClipGap(len(frames) - 1, 40_000 * len(frames), GapReason.CUT_OFF),)
    assert 20 < len(frames) < 60
    assert video.duration_us == 40_000 * len(frames)


@pytest.mark.parametrize("lost", [True, False])
def test_strict_refuses_a_damaged_clip(tmp_path: Path, lost: bool) -> None:
    """After the frames before the damage, whether they are lost or gone bad."""
    path = make(tmp_path / ("clip.ts" if lost else "clip.mp4"))
    path = without_packet(path, 0.5) if lost else with_flipped_bytes(path, 20)
    frames: list[Frame] = []

    with pytest.raises(BadClip), open_video(path, strict=True) as video:
        frames.extend(video)

    assert 0 < len(frames) < COUNT


def test_a_clip_of_which_nothing_is_left_is_bad(tmp_path: Path) -> None:
    """There is nothing to be kept."""
    path = make_clip(tmp_path / "clip.mp4", pictures=walk(5), quality={"g": "100"})

    with pytest.raises(BadClip, match="no picture"), open_video(with_flipped_bytes(path, 0)):
        pass
