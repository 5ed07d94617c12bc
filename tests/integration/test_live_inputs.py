"""`kinepose estimate` on live streams: read until Ctrl-C, then what was read is written, and the exit code is 0."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import make_clip
from tests.support.rtsp import playing, rtsp_camera


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A clip with a key frame each fifth picture, so that whoever joins soon sees one."""
    return make_clip(tmp_path / "film.mp4", count=50, quality={"g": "5", "bf": "0"})


@contextlib.contextmanager
def udp(film: Path) -> Iterator[str]:
    """A transport stream to a port that nobody listens on yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with playing(film, "mpegts", f"udp://127.0.0.1:{port}?pkt_size=1316"):
        yield f"udp://127.0.0.1:{port}"


@contextlib.contextmanager
def rtsp(film: Path) -> Iterator[str]:
    """A camera."""
    with rtsp_camera(film) as url:
        yield url


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """The program, which is killed where the test ends before it does."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("stream", [udp, rtsp])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_live_stream_ends_cleanly_by_a_signal(stream: Any, number: signal.Signals, film: Path, weights: Path) -> None:
    """Frames come while it plays; after the signal the last line tells of the clip, and stderr what was dropped."""
    with stream(film) as url:
        command = [sys.executable, "-m", "service", "estimate", url, "--format", "ndjson"]
        environment = {"KINEPOSE_WEIGHTS_DIR": str(weights), "PATH": "/usr/bin:/bin"}
        with running(command, environment) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(5)]
            process.send_signal(number)
            rest, error = process.communicate(timeout=60)
            lines += rest.splitlines()

    *frames, last = [json.loads(line) for line in lines]
    assert process.returncode == 0, error
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    times = [frame["pts_us"] for frame in frames]
    assert times == sorted(set(times))
    assert last["clip"]["frames_emitted"] == len(frames) >= 5
    assert f"{len(frames)} frames read" in error
