"""`python -m service.media.reader_process SOCKET MEMORY BYTES FILE_BYTES`: reads clips for a server, or draws on one.

A clip that crashes a decoder, hangs it, or makes it ask for all memory ends this process and no other. It knows nothing
of the server's settings; see `media.confinement` for what it may do.
"""

import gc
import json
import mmap
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinepose_client import wire_json
from model.values import Array, Frame
from service.contract.messages import ClipGap, FrameResult
from service.errors import BadClip, KineposeError, OverlayFailed, StorageFull
from service.media.confinement import confine
from service.media.limits import ClipLimits
from service.media.overlay import FULL_DISK, render_overlay
from service.media.reader_messages import (
    MOST_BYTES,
    PICTURE_CPU_S,
    REQUESTS,
    SLOTS,
    Answer,
    Draw,
    Drawn,
    End,
    Facts,
    Failed,
    Next,
    Open,
    Picture,
    Request,
    gaps_to_message,
    send,
)
from service.media.video import Video, open_video

LAST_PICTURES = 10
"""An encoder looks so many pictures ahead: at the end of a drawing, it has time for them all."""


def main(arguments: list[str]) -> int:
    """Serve until the server closes its end."""
    channel, memory = socket.socket(fileno=int(arguments[0])), int(arguments[1])
    confine(memory_bytes=int(arguments[2]), file_bytes=int(arguments[3]))
    gc.freeze()
    while (request := _receive(channel)) is not None:
        if isinstance(request, Open):
            _read(request, channel, memory)
            # PyAV's objects of a clip refer to each other: until they are collected, its decoder's threads go on.
            gc.collect()
        elif isinstance(request, Draw):
            send(channel, _draw(request))
    return 0


def _read(request: Open, channel: socket.socket, memory: int) -> None:
    slots: Array | None = None
    for number, (answer, frame) in enumerate(_answers(request)):
        # The next frame is ready by the time that it is asked for.
        wanted = _receive(channel) if number > 0 else request
        if wanted is None:
            return
        if frame is not None and isinstance(wanted, Next):
            slots = _mapped(memory, frame) if slots is None else slots
            np.copyto(slots[wanted.slot], frame.rgb)
        send(channel, answer)


def _mapped(memory: int, frame: Frame) -> Array:
    """The memory that is shared with the server, uint8 [SLOTS, H, W, 3]; all frames of a clip have one size."""
    shared = mmap.mmap(memory, SLOTS * frame.rgb.nbytes)
    return np.frombuffer(shared, np.uint8).reshape(SLOTS, *frame.rgb.shape)


def _allow_cpu(pictures: int = 1) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + pictures * PICTURE_CPU_S + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _receive(channel: socket.socket) -> Request | None:
    packet = channel.recv(MOST_BYTES)
    return REQUESTS.decode(packet) if packet else None


def _answers(request: Open) -> Iterator[tuple[Answer, Frame | None]]:
    """What is said of a clip, in order; an error is the last of it."""
    limits = ClipLimits(request.seconds, request.frames, request.pixels)
    _allow_cpu()
    try:
        with open_video(Path(request.path), limits, strict=request.strict) as video:
            yield _facts(video), None
            yield from _frames(video)
    except KineposeError as error:
        yield Failed(error.code, error.detail), None
    except MemoryError:
        yield Failed(BadClip.code, "the clip takes more memory to decode than is allowed"), None
    except OSError as error:
        yield Failed(KineposeError.code, f"the clip's file cannot be read: {error.strerror}"), None


def _frames(video: Video) -> Iterator[tuple[Answer, Frame | None]]:
    told: tuple[ClipGap, ...] = ()
    for frame in video:
        gaps, told = (None if video.gaps == told else gaps_to_message(video.gaps)), video.gaps
        yield Picture(frame.pts_us or 0, video.duration_us, video.start_us, gaps), frame
        _allow_cpu()
    yield End(video.duration_us, video.start_us, gaps_to_message(video.gaps)), None


def _facts(video: Video) -> Facts:
    shape, rate = video.shape, video.rate
    return Facts(
        codec=video.codec,
        frames_declared=video.frames_declared,
        duration_us=video.duration_us,
        rate=(rate.numerator, rate.denominator) if rate and rate > 0 else None,
        stored=shape.stored,
        aspect=(shape.aspect.numerator, shape.aspect.denominator),
        turn=shape.orientation.turn,
        mirrored=shape.orientation.mirrored,
    )


# -- overlays ---------------------------------------------------------------------------------------------


def _draw(request: Draw) -> Answer:
    limits = ClipLimits(request.seconds, request.frames, request.pixels)
    _allow_cpu()
    try:
        render_overlay(Path(request.path), _results(Path(request.results)), Path(request.drawing), limits)
    except KineposeError as error:
        return Failed(error.code, error.detail)
    except MemoryError:
        return Failed(OverlayFailed.code, "the clip takes more memory to draw than is allowed")
    except OSError as error:
        kind = StorageFull if error.errno in FULL_DISK else OverlayFailed
        return Failed(kind.code, f"the clip could not be drawn: {error.strerror}")
    return Drawn()


def _results(path: Path) -> Iterator[FrameResult]:
    """One a picture, which is drawn before the next is asked for."""
    with path.open("rb") as lines:
        for line in lines:
            _allow_cpu()
            yield wire_json.result_from_json(json.loads(line))
    _allow_cpu(LAST_PICTURES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
