"""Clips with the people of each frame drawn on them."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from model.skeletons import SKELETONS
from model.values import Array, Frame
from service.contract.messages import FrameResult
from service.errors import OverlayFailed
from service.media.drawing import draw_legend, draw_people
from service.media.limits import ClipLimits
from service.media.opened import Clip
from service.media.shape import Shape
from service.media.sound import Sound, open_sound
from service.media.timestamps import FALLBACK_RATE, MICROSECONDS
from service.media.video import DEFAULT_LIMITS, open_video

CONTAINERS = {"": "mp4", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""What is written to a file of each ending; what has none, such as a pipe, gets an MP4."""
TICKS_A_SECOND = {"mp4": 90_000, "mov": 90_000, "matroska": 1000}
"""How finely times are told: Matroska tells milliseconds."""
SLOWEST_RATE = Fraction(1)
ENCODER_THREADS = 2
"""Each holds pictures of its own, and by itself x264 takes more of them than the machine has cores."""
LOOKAHEAD_PIXELS = 1920 * 1088
"""Above this, pictures are encoded as they come: those that an encoder looks ahead at would take most of the memory."""
NO_LOOKAHEAD = "rc-lookahead=0:sync-lookahead=0:sliced-threads=1"
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
LONGEST_PAUSE_S = 6 * 3600
"""An MP4 counts the ticks of a pause in 31 bits; a longer one is shortened to this."""


class OverlayWriter:
    """Writes frames with skeletons as H.264 (yuv420p), and the clip's sound; `open_overlay`.

    The first frame is at 0. Frames without times follow each other at the clip's rate, or 25 a second.
    """

    def __init__(self, container: OutputContainer, clip: Clip, sound: Sound | None) -> None:
        self._container = container
        self._clip = clip
        self._shape = clip.shape
        self._rate = clip.rate or FALLBACK_RATE
        self._sound = sound
        self._ticks_a_second = TICKS_A_SECOND[container.format.name]
        self._stream = _add_stream(container, clip.shape, self._rate, self._ticks_a_second)
        self._count = 0
        self._first_us = 0
        self._ticks = -1
        self._skipped = 0

    def write(self, frame: Frame, result: FrameResult | None) -> None:
        """Add a frame; where nobody is told of, it is shown as it is. Frames come in the order of their pts_us.

        Args:
            result: in stored pixels, as clients get it.

        Raises:
            OverlayFailed: the encoder gives up.
            OSError: the disk is full.
        """
        with _typed_errors():
            self._write(frame, result)

    def _write(self, frame: Frame, result: FrameResult | None) -> None:
        rgb = frame.rgb
        if result is not None and (result.people or result.lost):
            rgb = draw_people(rgb, self._shape.result_to_frame(result), SKELETONS[result.skeleton])
            draw_legend(rgb)
        # Drawn in square pixels, so that circles are round, and stored in the clip's own.
        width, height = self._shape.size
        picture = VideoFrame.from_ndarray(_padded_to_even(rgb, self._shape), "rgb24")
        picture = picture.reformat(
            width=width + width % 2,
            height=height + height % 2,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        time_us = self._time_us(frame)
        picture.pts, picture.time_base = self._next_ticks(time_us), Fraction(1, self._ticks_a_second)
        self._container.mux(self._stream.encode(picture))
        self._write_sound(time_us)

    def _time_us(self, frame: Frame) -> int:
        """The frame's time in the drawn clip."""
        number, self._count = self._count, self._count + 1
        if frame.pts_us is None:
            return round(number * MICROSECONDS / self._rate)
        if number == 0:
            self._first_us = frame.pts_us
        return frame.pts_us - self._first_us

    def _write_sound(self, until_us: int) -> None:
        if self._sound is not None:
            self._sound.write_until(until_us, (self._clip.start_us or 0) + self._first_us)

    def _next_ticks(self, pts_us: int) -> int:
        """The frame's time in ticks, after the one before it, by LONGEST_PAUSE_S at most."""
        longest = LONGEST_PAUSE_S * self._ticks_a_second
        ticks = max(self._ticks + 1, round(pts_us * self._ticks_a_second / MICROSECONDS) - self._skipped)
        if ticks - self._ticks > longest:
            self._skipped += ticks - self._ticks - longest
            ticks = self._ticks + longest
        self._ticks = ticks
        return ticks

    def finish(self) -> None:
        """Write what the encoder still holds, and the sound to the end of the last picture."""
        self._container.mux(self._stream.encode(None))
        last_us = self._ticks * MICROSECONDS // self._ticks_a_second
        self._write_sound(last_us + round(MICROSECONDS / self._rate))


@contextmanager
def open_overlay(
    path: Path, clip: Clip, container: str = "mp4", sound_of: Path | None = None
) -> Iterator[OverlayWriter]:
    """A writer for the frames of a clip (odd sizes are padded), complete once the block ends.

    Args:
        container: one of CONTAINERS.
        sound_of: the clip's file: its sound is copied where the container holds it.

    Raises:
        OverlayFailed: at the beginning and at the end, the encoder gives up, or the file cannot be written.
        OSError: likewise, the disk is full.
    """
    with _typed_errors(), ExitStack() as stack:
        output = stack.enter_context(av.open(str(path), "w", format=container))
        writer = OverlayWriter(output, clip, stack.enter_context(open_sound(sound_of, output)))
        opened = stack.pop_all()
    try:
        yield writer
    except BaseException:
        with suppress(av.FFmpegError, OSError):  # What broke off is not looked at any more.
            opened.close()
        raise
    with _typed_errors(), opened:
        writer.finish()


def render_overlay(
    clip_path: Path, results: Iterable[FrameResult], out_path: Path, limits: ClipLimits = DEFAULT_LIMITS
) -> None:
    """The clip with the skeletons of `results` on it, one picture a result, as MP4.

    Frames are upright, times the clip's own from 0 on, pixels as wide as the clip's; sound that an MP4 holds is kept.

    Raises:
        OverlayFailed: the encoder gives up, or the file cannot be written.
        OSError: the disk is full.
        KineposeError: as reading the clip does.
    """
    with (
        open_video(clip_path, limits) as video,
        open_overlay(out_path, video, sound_of=clip_path) as out,
    ):
        # Results first: when they end, the clip is not read on.
        for result, frame in zip(results, video, strict=False):
            out.write(frame, result)


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, MemoryError, cv2.error) as error:
        if getattr(error, "errno", None) in FULL_DISK:
            raise
        why = getattr(error, "strerror", None) or type(error).__name__
        raise OverlayFailed(f"the clip could not be drawn: {why}") from error


def _add_stream(container: OutputContainer, shape: Shape, rate: Fraction, ticks_a_second: int) -> VideoStream:
    # No B-frames: with them, a pause between pictures becomes an offset that an MP4 may have no room for.
    options = {"preset": "veryfast", "crf": "20", "bf": "0"}
    if shape.stored[0] * shape.stored[1] > LOOKAHEAD_PIXELS:
        options["x264-params"] = NO_LOOKAHEAD
    # The last picture is shown for as long as the rate says.
    stream = container.add_stream("libx264", rate=max(rate, SLOWEST_RATE), options=options)
    stream.codec_context.thread_count = ENCODER_THREADS
    stream.width, stream.height = (side + side % 2 for side in shape.size)
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, ticks_a_second)
    context = stream.codec_context
    context.sample_aspect_ratio = shape.pixel_aspect
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _padded_to_even(rgb: Array, shape: Shape) -> Array:
    """yuv420p halves its colour planes: an odd stored side repeats its last row or column."""
    width, height = shape.size
    bottom = round(height % 2 * rgb.shape[0] / height)
    right = round(width % 2 * rgb.shape[1] / width)
    if not (bottom or right):
        return rgb
    return cv2.copyMakeBorder(rgb, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
