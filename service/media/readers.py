"""Clips read and drawn in processes of their own, which can be lost: what the server opens clips with. For threads.

A frame travels through shared memory and is not copied here. A process reads one clip at a time, many in turn; each
drawing has one to itself.
"""

import fcntl
import logging
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from kinepose_client.wire_errors import error_of
from model.values import Array, Frame
from service.contract.messages import ClipGap
from service.errors import BadClip, KineposeError, OverlayFailed
from service.media.limits import ClipLimits
from service.media.reader_messages import (
    MOST_BYTES,
    PICTURE_CPU_S,
    SLOTS,
    Answer,
    Draw,
    End,
    Facts,
    Failed,
    Next,
    Open,
    Picture,
    Request,
    answer_of,
    gaps_of_message,
    send,
)

PROCESS = "service.media.reader_process"
"""By its name: the decoders that come with it are 17 MB, which a server does without."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "HOME")
"""Of the environment: passwords and keys are none of a decoder's business."""


log = logging.getLogger(__name__)


class ClipReaders:
    """Reading processes; a context manager, at whose end all of them are.

    Args:
        memory_bytes: what each may take beyond what it has when it starts; one that draws, twice as much.
        idle: so many wait for the next clip; more are started where more clips are read at once.
    """

    def __init__(self, memory_bytes: int, idle: int) -> None:
        self._memory_bytes = memory_bytes
        self._most_idle = idle
        self._idle: list[_Reader] = []
        self._busy: set[_Reader] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        # The first clip need not wait for it.
        self._put_back(_Reader(self._memory_bytes))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed, idle = True, self._idle
            self._idle = []
            busy = list(self._busy)
        for reader in idle:
            reader.close()
        for reader in busy:  # Whoever waits for it closes it.
            reader.kill()

    @contextmanager
    def open(self, path: Path, limits: ClipLimits, *, strict: bool = False) -> Iterator["RemoteVideo"]:
        """As `media.video.open_video`, elsewhere.

        Raises:
            BadClip: also where the process came to its end by this clip.
            KineposeError: as `open_video`; and `internal` where the file cannot be read at all.
        """
        reader = self._take()
        try:
            facts = reader.ask(Open(str(path), limits.seconds, limits.frames, limits.pixels, strict))
            assert isinstance(facts, Facts)
            limits.check_pixels(*facts.shape().frame_size)
            yield RemoteVideo(reader, facts)
        finally:
            self._put_back(reader)

    def drawing(self, file_bytes: int) -> "Drawing":
        """A drawing that has not begun, whose file may grow so large. It holds pictures of an encoder, too."""
        return Drawing(2 * self._memory_bytes, file_bytes)

    def _take(self) -> "_Reader":
        with self._lock:
            reader = self._idle.pop() if self._idle else None
        reader = reader or _Reader(self._memory_bytes)
        with self._lock:
            self._busy.add(reader)
        return reader

    def _put_back(self, reader: "_Reader") -> None:
        with self._lock:
            self._busy.discard(reader)
            if reader.is_idle and not self._closed and len(self._idle) < self._most_idle:
                self._idle.append(reader)
                return
        reader.close()


class RemoteVideo:
    """An opened clip, as `media.video.Video`, whose frames come from another process."""

    def __init__(self, reader: "_Reader", facts: Facts) -> None:
        self._reader = reader
        self.codec = facts.codec
        self.frames_declared = facts.frames_declared
        self.duration_us = facts.duration_us
        self.rate = Fraction(*facts.rate) if facts.rate else None
        self.shape = facts.shape()
        self.rotation = self.shape.orientation.turn
        self.start_us: int | None = None
        self.gaps: tuple[ClipGap, ...] = ()

    def __iter__(self) -> Generator[Frame, None, None]:
        """The frames, once; the pixels of one stay as they are until SLOTS - 1 more have come.

        Raises:
            KineposeError: as `Video`, and BadClip where the process came to its end.
        """
        width, height = self.shape.frame_size
        slots = self._reader.shared(SLOTS * width * height * 3).reshape(SLOTS, height, width, 3)
        for slot in cycle(range(SLOTS)):
            answer = self._reader.ask(Next(slot))
            assert isinstance(answer, Picture | End)
            self.duration_us, self.start_us = answer.duration_us, answer.start_us
            if answer.gaps is not None:
                self.gaps = gaps_of_message(answer.gaps)
            if isinstance(answer, End):
                return
            yield Frame(slots[slot], answer.pts_us, self.rotation)


class Drawing:
    """An overlay, drawn in a process of its own."""

    def __init__(self, memory_bytes: int, file_bytes: int) -> None:
        self._limits = memory_bytes, file_bytes
        self._process: _Reader | None = None
        self._stopped = False

    def draw(self, clip: Path, results: Path, drawing: Path, limits: ClipLimits) -> None:
        """As `media.overlay.render_overlay`, elsewhere; `results` is a file of NDJSON. Blocks until it is done.

        Raises:
            OverlayFailed: also where the process came to its end by this clip, or by `stop`.
            StorageFull: the disk is full.
            KineposeError: as reading the clip does.
        """
        self._process = _Reader(*self._limits)
        if self._stopped:
            self._process.kill()
        try:
            asked = Draw(str(clip), str(results), str(drawing), limits.seconds, limits.frames, limits.pixels)
            self._process.ask(asked)
        finally:
            self._process.close()

    def stop(self) -> None:
        """End it, from any thread, and before it has begun, too."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()


class _Reader:
    """One process.

    Attributes:
        is_idle: whether it may be given a clip: it has read the last one to its end.
    """

    def __init__(self, memory_bytes: int, file_bytes: int = 0) -> None:
        self.is_idle = True
        self._memory = os.memfd_create("kinepose-frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # Whatever happens there, the pages that are mapped here stay.
        fcntl.fcntl(self._memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = _start(theirs.fileno(), self._memory, memory_bytes, file_bytes)
            except BaseException:
                self._channel.close()
                os.close(self._memory)
                raise

    def ask(self, request: Request) -> Answer:
        """The answer to a request.

        Raises:
            KineposeError: what it says of the clip; BadClip (of a drawing: OverlayFailed) where it ended instead, or
                made no sense.
        """
        self.is_idle = False
        try:
            send(self._channel, request)
            answer = answer_of(self._channel.recv(MOST_BYTES), request)
        except (OSError, ValueError) as error:
            raise self._failure(request) from error
        self.is_idle = isinstance(answer, End | Failed)
        if isinstance(answer, Failed):
            raise error_of(answer.code, answer.detail)
        return answer

    def shared(self, size: int) -> Array:
        """The memory through which frames come, uint8 [size]; unmapped when nothing points into it any more."""
        if os.fstat(self._memory).st_size < size:
            os.ftruncate(self._memory, size)
        return np.frombuffer(mmap.mmap(self._memory, size, prot=mmap.PROT_READ), np.uint8)

    def kill(self) -> None:
        """Let the process end; whoever asks it something is told so."""
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        os.close(self._memory)

    def _failure(self, request: Request) -> KineposeError:
        self._process.kill()
        code = self._process.wait()
        log.warning("a process that read a clip ended with %d", code)
        kind, what = (OverlayFailed, "draw") if isinstance(request, Draw) else (BadClip, "decode")
        if code == -signal.SIGXCPU:
            return kind(f"the clip takes more than {PICTURE_CPU_S} s to {what} one picture")
        return kind("the clip made its decoder fail")


def _start(channel: int, memory: int, memory_bytes: int, file_bytes: int) -> subprocess.Popen[bytes]:
    numbers = map(str, (channel, memory, memory_bytes, file_bytes))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", PROCESS, *numbers],
        pass_fds=(channel, memory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # An interrupt at the terminal is the server's business.
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # One thread: it does no algebra, and each thread of OpenBLAS takes address space.
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
