"""Clips, read as the server reads them: in a process that may be lost. That is no finding where a decoder crashed."""

import atexit
import logging
import tempfile
from contextlib import ExitStack, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from kinepose_client import wire_pb
from service.contract import wire
from service.contract.messages import ClipGap, ClipInfo
from service.errors import BadClip, ClipTooLong, ImageTooLarge, UnsupportedMedia
from service.media import readers
from service.media.limits import ClipLimits
from service.media.readers import ClipReaders, RemoteVideo

LIMITS: Final = ClipLimits(seconds=60.0, frames=64, pixels=1 << 16)
MEMORY: Final = 512 * 1024 * 1024
PYTHON_FAILED: Final = 1
"""The exit code of a process that ended by an exception: of our own code, not of a decoder."""


def check_clip(data: bytes) -> None:
    """Refused in words, or frames of one size at growing times, and gaps in order; whatever happens to the process."""
    path = _scratch() / "clip"
    path.write_bytes(data)
    _ends().clear()
    with suppress(BadClip, ClipTooLong, ImageTooLarge, UnsupportedMedia):
        _read(path)
    assert PYTHON_FAILED not in _ends(), "our own code raised in the reading process; its traceback is above"


def _read(path: Path) -> None:
    with _readers().open(path, LIMITS) as video:
        times = []
        for frame in video:
            assert frame.size == video.shape.frame_size
            times.append(frame.pts_us or 0)
        assert times[:1] == [0]
        assert all(before < after for before, after in pairwise(times)), times
        assert len(times) <= LIMITS.frames
        _check_gaps(video.gaps, len(times))
        _check_told(video, len(times))


def _check_gaps(gaps: tuple[ClipGap, ...], count: int) -> None:
    after = [-1 if gap.after_seq is None else gap.after_seq for gap in gaps]
    assert after == sorted(after), gaps
    assert all(-1 <= seq < count for seq in after), gaps
    assert all(gap.pts_us >= 0 for gap in gaps), gaps


def _check_told(video: RemoteVideo, count: int) -> None:
    known = video.frames_declared, count, count, video.duration_us, video.codec, video.start_us
    info = ClipInfo(*known, float(video.shape.pixel_aspect), video.gaps)
    assert wire_pb.clip_from_pb(wire.clip_to_pb(info)) == info
    assert min(info.frames_declared or 0, info.duration_us or 0) >= 0, info


@cache
def _readers() -> ClipReaders:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(ClipReaders(MEMORY, 1))


@cache
def _scratch() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="kinepose-fuzz-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


class _Ends(logging.Handler):
    """Collects the exit codes of processes that were lost."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One of them."""
        self.codes += record.args if isinstance(record.args, tuple) else ()


@cache
def _ends() -> list[object]:
    handler = _Ends()
    readers.log.addHandler(handler)
    readers.log.propagate = False
    return handler.codes


def no_seeds() -> list[bytes]:
    """They lie in `corpus/clip`: what encoders write differs from machine to machine."""
    return []
