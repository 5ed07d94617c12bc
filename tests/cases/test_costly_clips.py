"""Small files that cost much: a table of 50 million samples, pictures of 134 million pixels, millions of pictures.

1.6 KB of MP4 took 1.76 GB and 11 s, 395 KB of H.264 573 MB before it was refused, and nothing counted frames.
Source: https://github.com/axiomatic-systems/Bento4/issues/1105 (a sample count that is believed).
Right: refused before the memory is used. Limits count what is decoded, as it is decoded. A server reads a clip in a
process of its own, with limits on memory and CPU time; a clip that ends it is `bad_clip`, and the next one is read.
"""

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.values import Frame
from service.errors import BadClip, ClipTooLong, ImageTooLarge, UnsupportedMedia
from service.media.limits import ClipLimits
from service.media.reader_messages import PICTURE_CPU_S, End, Facts
from service.media.readers import ClipReaders, RemoteVideo
from service.media.video import open_video
from tests.support.clips import make_clip, make_cut_off, make_sound
from tests.support.costly import make_bomb

MIB = 1024 * 1024
LIMITS = ClipLimits()
FACTS = ("codec", "frames_declared", "rate", "shape", "rotation", "duration_us")


@pytest.fixture(scope="module")
def own() -> Iterator[ClipReaders]:
    """Reading processes with half a GiB each."""
    with ClipReaders(512 * MIB, idle=1) as running:
        yield running


def process_of(video: RemoteVideo) -> int:
    """The process that reads it."""
    return video._reader._process.pid


def most_kib_of(pid: int) -> int:
    """The most memory that a process has had."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def consume(video: Iterable[Frame], each: Callable[[], None]) -> None:
    """Take all frames, and do something with each."""
    for _ in video:
        each()


def test_a_clip_read_elsewhere_is_the_clip_read_here(tmp_path: Path, own: ClipReaders) -> None:
    """All facts, all frames to the bit, and the gaps."""
    for path in (make_clip(tmp_path / "clip.mkv", turn=(-90.0, False, False)), make_cut_off(tmp_path)):
        with own.open(path, LIMITS) as remote, open_video(path, LIMITS) as video:
            assert (remote.codec, remote.frames_declared, remote.rate) == (
                video.codec,
                video.frames_declared,
                video.rate,
            )
            assert (remote.shape, remote.duration_us) == (video.shape, video.duration_us)
            for theirs, ours in zip(remote, video, strict=True):
                assert np.array_equal(theirs.rgb, ours.rgb)
                assert (theirs.pts_us, theirs.rotation_applied) == (ours.pts_us, ours.rotation_applied)
        for fact in (*FACTS, "gaps", "start_us"):
            assert getattr(remote, fact) == getattr(video, fact)


def test_errors_are_those_of_a_clip_read_here(tmp_path: Path, own: ClipReaders) -> None:
    """At the beginning and in the middle; the process goes on to the next clip."""
    clip = make_clip(tmp_path / "clip.mp4")
    with pytest.raises(UnsupportedMedia, match="no video stream"), own.open(make_sound(tmp_path / "a.mp4"), LIMITS):
        pass
    with pytest.raises(ImageTooLarge), own.open(clip, ClipLimits(pixels=100)):
        pass
    with pytest.raises(ClipTooLong), own.open(clip, ClipLimits(frames=9)):
        pass
    with pytest.raises(BadClip, match="breaks off"), own.open(make_cut_off(tmp_path), LIMITS, strict=True) as video:
        list(video)
    with own.open(clip, LIMITS) as video:
        assert len(list(video)) == 10


def test_a_clip_that_is_left_early_holds_nobody_up(tmp_path: Path, own: ClipReaders) -> None:
    """A client that went away."""
    clip = make_clip(tmp_path / "clip.mp4")
    with own.open(clip, LIMITS) as video:
        next(iter(video))

    with own.open(clip, LIMITS) as video:
        assert len(list(video)) == 10


def test_a_table_of_millions_of_pictures_takes_no_memory(tmp_path: Path, own: ClipReaders) -> None:
    """It is refused where it asks for more than there is, before it is filled."""
    with pytest.raises(BadClip), own.open(make_bomb(tmp_path / "bomb.mp4"), LIMITS):
        pass

    [reader] = own._idle
    status = Path(f"/proc/{reader._process.pid}/status").read_text()
    [peak_kib] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert peak_kib < 300 * 1024


@pytest.mark.parametrize(
    ("how", "words"),
    [(signal.SIGSEGV, "decoder fail"), (signal.SIGKILL, "decoder fail"), (signal.SIGXCPU, "takes more than 30 s")],
)
def test_a_clip_that_ends_its_process_is_bad(tmp_path: Path, own: ClipReaders, how: signal.Signals, words: str) -> None:
    """A decoder that crashes, a kernel out of memory, a picture that takes for ever: the next clip is read."""
    clip = make_clip(tmp_path / "clip.mp4", count=50)

    with pytest.raises(BadClip, match=words), own.open(clip, LIMITS) as video:
        consume(video, lambda: os.kill(process_of(video), how))

    with own.open(clip, LIMITS) as video:
        assert len(list(video)) == 50


def test_readers_at_work_end_with_the_server(tmp_path: Path) -> None:
    """Whoever waits for one is told so at once: a picture may take half a minute."""
    clip = make_clip(tmp_path / "clip.mp4")
    with ExitStack() as stack:
        running = stack.enter_context(ClipReaders(512 * MIB, idle=1))
        with running.open(clip, LIMITS) as video:
            frames = iter(video)
            next(frames)
            stack.close()
            assert video._reader._process.wait(20) == -signal.SIGKILL
            with pytest.raises(BadClip):
                next(frames)


def test_a_picture_may_take_so_much_time(tmp_path: Path, own: ClipReaders) -> None:
    """The kernel counts, whatever the decoder does, and anew for each picture."""
    with own.open(make_clip(tmp_path / "clip.mp4"), LIMITS) as video:
        next(iter(video))
        soft, _ = resource.prlimit(process_of(video), resource.RLIMIT_CPU)

    assert PICTURE_CPU_S <= soft <= 3 * PICTURE_CPU_S


FAKED = {
    "no message": b"\xc1",
    "text that is no UTF-8": b"\x83\xa4type\xa6Failed\xa4code\xa1x\xa6detail\xa1\xff",
    "an answer to something else": msgspec.msgpack.encode(End(0, 0, [])),
    "pixels without height": msgspec.msgpack.encode(Facts("h264", 1, 1, (25, 1), (64, 0), (1, 1), 0, False)),
    "an aspect that is none": msgspec.msgpack.encode(Facts("h264", 1, 1, (25, 1), (64, 48), (1, 0), 0, False)),
    "a rate that is none": msgspec.msgpack.encode(Facts("h264", 1, 1, (25, 0), (64, 48), (1, 1), 0, False)),
    "a turn by a degree": msgspec.msgpack.encode(Facts("h264", 1, 1, (25, 1), (64, 48), (1, 1), 1, False)),
}


@pytest.mark.parametrize("packet", FAKED.values(), ids=list(FAKED))
def test_what_a_process_that_was_taken_over_says_is_not_believed(packet: bytes, tmp_path: Path) -> None:
    """Its clip is at fault; it is ended, and the next one is read by another."""
    clip = make_clip(tmp_path / "clip.mp4", count=3)
    with ClipReaders(512 * MIB, idle=1) as running:
        [reader] = running._idle
        reader._channel.close()
        reader._channel, taken_over = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with taken_over:
            taken_over.send(packet)
            with pytest.raises(BadClip, match="made its decoder fail"), running.open(clip, LIMITS):
                pass
        with running.open(clip, LIMITS) as video:
            assert len(list(video)) == 3


@pytest.mark.parametrize("container", ["mp4", "mkv", "h264"])
def test_frames_are_counted(tmp_path: Path, container: str) -> None:
    """Ten may pass, the eleventh is too many, whether the header tells or not."""
    path = make_clip(tmp_path / f"clip.{container}", count=11)
    seen: list[int] = []

    with pytest.raises(ClipTooLong, match="the 10 that are allowed"), open_video(path, ClipLimits(frames=10)) as video:
        consume(video, lambda: seen.append(1))

    assert len(seen) == (0 if container == "mp4" else 10)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 of 16384 x 8192 pixels, 395 KB."""
    path = tmp_path_factory.mktemp("huge") / "huge.h264"
    source = ["-f", "lavfi", "-i", "color=red:s=16384x8192:r=5", "-frames:v", "4"]
    how = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *how, str(path)], check=True)
    return path


@pytest.mark.parametrize("container", ["h264", "mp4", "mkv"])
def test_pictures_of_134_million_pixels_are_not_decoded(huge: Path, container: str) -> None:
    """Their header is enough, and while FFmpeg looks what is in the file it decodes none: one takes 200 MB."""
    path = huge.with_suffix(f".{container}")
    if container != "h264":
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(huge), "-c", "copy", str(path)], check=True)

    with ClipReaders(160 * MIB, idle=1) as small, pytest.raises(ImageTooLarge), small.open(path, LIMITS):
        pass


def test_a_codec_that_is_not_on_the_list_is_named(tmp_path: Path) -> None:
    """FFmpeg could decode it."""
    path = make_clip(tmp_path / "clip.mov", "qtrle", pixels="rgb24")

    with pytest.raises(UnsupportedMedia, match="qtrle"), open_video(path):
        pass


def test_clips_leave_nothing_in_the_process_that_read_them(tmp_path: Path) -> None:
    """Decoders' threads went on after their clip: 60 clips later there was no room for more, and good ones failed."""
    clip = make_clip(tmp_path / "clip.mp4", count=3)
    with ClipReaders(128 * MIB, idle=1) as running:
        for _ in range(12):
            with running.open(clip, LIMITS) as video:
                assert len(list(video)) == 3
