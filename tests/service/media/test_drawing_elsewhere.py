"""Overlays drawn in a process of their own, which can be lost."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.contract import wire
from service.errors import BadClip, ClipTooLong, OverlayFailed, StorageFull
from service.formats.native import ndjson_line
from service.media.limits import ClipLimits
from service.media.overlay import render_overlay
from service.media.readers import ClipReaders, Drawing
from tests.service.media.test_overlay import result_of, standing
from tests.support.clips import make_clip

MIB = 1024 * 1024
LIMITS = ClipLimits()
COUNT = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose drawing takes some hundred KiB."""
    noise = np.random.default_rng(0).integers(0, 255, (COUNT, 96, 128, 3), np.uint8)
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", pictures=list(noise))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its results, a line a frame."""
    path = tmp_path_factory.mktemp("results") / "results.ndjson"
    lines = [ndjson_line(wire.result_to_json(result_of(standing(), seq))) for seq in range(COUNT)]
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def artists() -> Iterator[ThreadPoolExecutor]:
    """A thread that waits for a drawing."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Results that come through a pipe: a drawing waits for them."""
    path = tmp_path / "line"
    os.mkfifo(path)
    return path


def drawing(memory_bytes: int = 512 * MIB, file_bytes: int = 64 * MIB) -> Drawing:
    """One that has not begun."""
    return ClipReaders(memory_bytes, idle=1).drawing(file_bytes)


def process_of(work: Drawing) -> subprocess.Popen[bytes]:
    """The process that draws it."""
    assert work._process is not None
    return work._process._process


def begun(artists: ThreadPoolExecutor, clip: Path, line: Path, out: Path) -> tuple[Drawing, Future[None], int]:
    """A drawing in the midst of its work, how it ends, and the end of the pipe that its results come through."""
    work = drawing()
    ends = artists.submit(work.draw, clip, line, out, LIMITS)
    return work, ends, os.open(line, os.O_WRONLY)


def test_a_clip_drawn_elsewhere_is_the_clip_drawn_here(tmp_path: Path, clip: Path, results: Path) -> None:
    """To the bit."""
    here, elsewhere = tmp_path / "here.mp4", tmp_path / "elsewhere.mp4"
    render_overlay(clip, [result_of(standing(), seq) for seq in range(COUNT)], here)
    drawing().draw(clip, results, elsewhere, LIMITS)

    assert elsewhere.read_bytes() == here.read_bytes()


def test_errors_are_those_of_a_clip_drawn_here(tmp_path: Path, clip: Path, results: Path) -> None:
    """Of the clip, of its limits, of the disk."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    with pytest.raises(BadClip):
        drawing().draw(broken, results, tmp_path / "out.mp4", LIMITS)
    with pytest.raises(ClipTooLong):
        drawing().draw(clip, results, tmp_path / "out.mp4", ClipLimits(frames=3))
    with pytest.raises(OverlayFailed, match="could not be drawn"):
        drawing().draw(clip, tmp_path / "no results", tmp_path / "out.mp4", LIMITS)
    with pytest.raises(StorageFull):
        drawing().draw(clip, results, Path("/dev/full"), LIMITS)


def test_a_drawing_grows_so_large_and_takes_so_much_memory(tmp_path: Path, clip: Path, results: Path) -> None:
    """Beyond, it fails, and the clip's other drawings do not."""
    with pytest.raises(OverlayFailed, match="could not be drawn"):
        drawing(file_bytes=4096).draw(clip, results, tmp_path / "out.mp4", LIMITS)
    with pytest.raises((BadClip, OverlayFailed)):
        drawing(memory_bytes=MIB).draw(clip, results, tmp_path / "out.mp4", LIMITS)
    drawing().draw(clip, results, tmp_path / "out.mp4", LIMITS)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (signal.SIGSEGV, "decoder fail"),
        (signal.SIGKILL, "decoder fail"),
        (signal.SIGXCPU, "takes more than 30 s to draw"),
    ],
)
def test_a_clip_that_ends_its_process_cannot_be_drawn(
    tmp_path: Path, clip: Path, line: Path, artists: ThreadPoolExecutor, how: signal.Signals, words: str
) -> None:
    """A decoder or an encoder that crashes, a kernel out of memory, a picture that takes for ever."""
    work, ends, pipe = begun(artists, clip, line, tmp_path / "out.mp4")
    process_of(work).send_signal(how)

    with pytest.raises(OverlayFailed, match=words):
        ends.result()
    os.close(pipe)


def test_a_drawing_that_is_stopped_ends_its_process(
    tmp_path: Path, clip: Path, line: Path, artists: ThreadPoolExecutor
) -> None:
    """In the midst, or before it has begun."""
    work, ends, pipe = begun(artists, clip, line, tmp_path / "out.mp4")
    work.stop()
    with pytest.raises(OverlayFailed):
        ends.result()
    assert process_of(work).returncode == -signal.SIGKILL
    os.close(pipe)

    early = drawing()
    early.stop()
    with pytest.raises(OverlayFailed):
        early.draw(clip, line, tmp_path / "out.mp4", LIMITS)


def test_a_picture_may_take_so_much_time_to_be_drawn(
    tmp_path: Path, clip: Path, line: Path, results: Path, artists: ThreadPoolExecutor
) -> None:
    """The kernel counts, and anew for each picture; the last ones wait in the encoder, and have their time together."""
    work, ends, pipe = begun(artists, clip, line, tmp_path / "out.mp4")
    with os.fdopen(pipe, "wb") as writer:
        writer.write(results.read_bytes())
        writer.flush()
        soft, _ = resource.prlimit(process_of(work).pid, resource.RLIMIT_CPU)
    ends.result()

    assert 0 < soft < 90
