"""Clips to Frames, through PyAV (FFmpeg). Blocking: the service reads a clip in a thread of its own."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from model.values import Frame
from service.contract.messages import ClipGap, GapReason
from service.errors import BadClip, FrameSizeChanged
from service.media.framing import frame_of, shape_of
from service.media.limits import ClipLimits
from service.media.opening import check_declared, clock_jumps, declared_length_us, open_container, video_stream
from service.media.pictures import MOST_FAILED_READS, Damage, Pictures
from service.media.timestamps import MICROSECONDS, Timestamps, in_us

DEFAULT_LIMITS = ClipLimits()
MOST_GAPS = 1000
"""So many are told of a clip; it is read on past more."""


class Video:
    """An opened clip: facts, and its frames by iterating, once.

    Frames are upright RGB with square pixels, all of one size, at the clip's own times from 0 on. Past a damaged place
    they go on at the next key frame. A picture of another size than the first is fitted into the first one's.

    Attributes:
        codec: FFmpeg's codec name, such as "h264" or "av1".
        frames_declared: what the container says; None where it says nothing. Often wrong.
        duration_us: what the container says, microseconds, or None; once all is read, what was there.
        rotation: degrees clockwise by which the stored picture is turned, 0, 90, 180 or 270.
        rate: declared frames a second, or None.
        shape: sizes, in stored and in square pixels.
        start_us: time of the first frame on the clip's own clock; None before it was given out.
        gaps: where the clip is not whole, as far as it has been read.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        limits: ClipLimits,
        strict: bool,
        failed_reads: int = MOST_FAILED_READS,
    ) -> None:
        self._limits = limits
        self._strict = strict
        self.codec = stream.codec_context.codec.canonical_name
        self.frames_declared = stream.frames if stream.frames > 0 else None
        self.duration_us = declared_length_us(container, stream)
        self.rate = stream.average_rate or stream.guessed_rate
        self.gaps: tuple[ClipGap, ...] = ()
        unit = stream.time_base or Fraction(1, MICROSECONDS)
        self._unit_us = unit * MICROSECONDS
        self._clock = Timestamps(unit, self.rate, clock_jumps(container))
        limits.check_pixels(stream.codec_context.width, stream.codec_context.height)
        self._events = iter(Pictures(container, stream, failed_reads))
        self._damaged, self._first = self._take_first()
        self.shape = shape_of(self._first, stream.sample_aspect_ratio, limits)
        self.rotation = self.shape.orientation.turn
        self._scaler = VideoReformatter()
        self._given = 0
        self._end_us = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture in stored pixels, which joints are told in."""
        return self.shape.size

    @property
    def start_us(self) -> int | None:
        """Time of the first frame on the clip's own clock; None before it was given out."""
        return self._clock.start_us

    def __iter__(self) -> Generator[Frame, None, None]:
        """The frames, one in memory at a time.

        Raises:
            ClipTooLong: there are more seconds or pictures than allowed.
            ImageTooLarge: the picture is too large from here on.
            BadClip, FrameSizeChanged: where it was opened with `strict`: the clip is damaged or breaks off here, or
                the picture has another size. The frames before were good.
        """
        size = self.shape.stored
        for event in chain(self._damaged, [self._first], self._events):
            if isinstance(event, Damage):
                self._note_damage(event)
                continue
            if (event.width, event.height) != size:
                size = event.width, event.height
                self._note_size(*size)
            yield self._frame(event)
        self.duration_us = self._end_us

    def _frame(self, picture: VideoFrame) -> Frame:
        pts_us = self._clock.next_us(picture.pts, after_loss=self._is_in_gap())
        self._limits.check_place(pts_us, self._given)
        rgb = frame_of(picture, self.shape, self._limits, self._scaler)
        self._given += 1
        self._end_us = pts_us + max(0, in_us(picture.duration, self._unit_us) or 0)
        self.duration_us = max(self.duration_us or 0, pts_us)
        return Frame(rgb, pts_us, self.rotation)

    def _take_first(self) -> tuple[list[Damage], VideoFrame]:
        damaged: list[Damage] = []
        for event in self._events:
            if not isinstance(event, Damage):
                return damaged, event
            damaged.append(event)
        why = f": {damaged[0].detail}" if damaged else ""
        raise BadClip(f"no picture of the clip can be decoded{why}")

    # -- gaps ---------------------------------------------------------------------------------------------

    def _is_in_gap(self) -> bool:
        """Whether pictures are missing right before the next one."""
        last = self.gaps[-1] if self.gaps else None
        if last is None or last.reason is GapReason.SIZE_CHANGED:
            return False
        return (last.after_seq is None and self._given == 0) or last.after_seq == self._given - 1

    def _note_damage(self, damage: Damage) -> None:
        if self._strict:
            raise BadClip(damage.detail)
        if not self._is_in_gap():
            self._note(damage.reason)
        elif damage.reason is GapReason.CUT_OFF:
            self.gaps = self.gaps[:-1]
            self._note(damage.reason)

    def _note_size(self, width: int, height: int) -> None:
        if self._strict:
            first = self.shape.stored
            raise FrameSizeChanged(f"the clip's picture changes from {first[0]} x {first[1]} to {width} x {height}")
        self._note(GapReason.SIZE_CHANGED)

    def _note(self, reason: GapReason) -> None:
        if len(self.gaps) == MOST_GAPS:
            return
        after = self._given - 1 if self._given else None
        self.gaps = (*self.gaps, ClipGap(after, self._clock.due_us, reason))


@contextmanager
def open_video(path: Path, limits: ClipLimits = DEFAULT_LIMITS, *, strict: bool = False) -> Iterator[Video]:
    """Open a clip and decode its first picture.

    H.264, HEVC, VP9, AV1, MPEG-4 and MJPEG, and what else `opening.CODECS` names, in the usual containers.

    Args:
        strict: whether damage or a change of size ends the clip with an error, instead of being told in `gaps`.

    Raises:
        UnsupportedMedia: a container that is not taken, no video stream, or a codec without decoder (named).
        BadClip: nothing can be decoded.
        ClipTooLong: it is longer than allowed, and its header says so.
        ImageTooLarge: the first picture has more pixels than allowed.
        FileNotFoundError, PermissionError, IsADirectoryError: as of any file.
    """
    with open_container(path, limits.pixels) as container:
        stream = video_stream(container, path, limits.pixels)
        check_declared(path, container, stream, limits)
        yield Video(container, stream, limits, strict)
