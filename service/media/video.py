"""Clips to Frames, through PyAV (FFmpeg). Blocking: the service reads a clip in a thread of its own."""

import struct
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from model.values import Frame
from service.errors import BadClip, ClipTooLong, FrameSizeChanged, ImageTooLarge, UnsupportedMedia
from service.media.container_names import container_of
from service.media.orientation import UPRIGHT, Orientation, from_display_matrix
from service.media.stream_choice import has_decoder, main_film
from service.media.timestamps import MICROSECONDS, Timestamps

MAX_SECONDS = 3600.0
MAX_PIXELS = 40_000_000

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,ivf,h264,hevc,obu,m4v,mjpeg"
"""FFmpeg's demuxers that only ever read the file itself. A playlist (HLS, DASH, concat) names other files,
which an upload must not reach."""

DECODER_THREADS = 2  # each holds pictures of its own; the network is the slow part anyway
CUT_OFF_S = 0.5
"""A clip that ends this much before its declared end has been cut off; containers round their durations."""


class Video:
    """An opened clip: facts, and its frames by iterating, once.

    Frames are upright RGB with the clip's own times. A clip whose pixels are not square is not stretched:
    coordinates are those of the stored pixels.

    Attributes:
        codec: FFmpeg's codec name, such as "h264" or "av1".
        frames_declared: what the container says; None where it says nothing. Often wrong.
        duration_us: what the container says, microseconds, or None.
        rotation: degrees clockwise by which the stored picture is turned, 0, 90, 180 or 270.
        rate: declared frames a second, or None.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, max_seconds: float, max_pixels: int) -> None:
        self._container = container
        self._stream = stream
        self._max_us = max_seconds * MICROSECONDS
        self._max_pixels = max_pixels
        self.codec = stream.codec_context.codec.canonical_name
        self.frames_declared = stream.frames or None
        self.duration_us = _duration_us(container, stream)
        self.rate = stream.average_rate or stream.guessed_rate
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        if self.duration_us is not None and self.duration_us > self._max_us:
            raise self._too_long(self.duration_us)
        self._pictures = self._decode()
        self._first = self._take_first()
        self.orientation = _orientation(self._first)
        self.rotation = self.orientation.turn

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright frames."""
        return self.orientation.size(self._first.width, self._first.height)

    def __iter__(self) -> Generator[Frame, None, None]:
        """The frames, one in memory at a time.

        Raises:
            BadClip: the clip breaks off or is damaged here; the frames before it were good.
            ClipTooLong: its times run over the limit, whatever the header said.
            FrameSizeChanged, ImageTooLarge: the picture has another size from here on.
        """
        clock = Timestamps(self._stream.time_base or Fraction(1, MICROSECONDS), self.rate)
        start: int | None = None
        for picture in self._all_pictures():
            self._check_picture(picture)
            pts_us = clock.next_us(picture.pts)
            start = pts_us if start is None else start
            if pts_us - start > self._max_us:
                raise self._too_long(pts_us - start)
            upright = self.orientation.apply(picture.to_ndarray(format="rgb24"))
            yield Frame(upright, pts_us, self.rotation)

    def _take_first(self) -> VideoFrame:
        first = next(self._pictures, None)
        if first is None:
            raise BadClip("no picture of the clip can be decoded")
        return first

    def _all_pictures(self) -> Iterator[VideoFrame]:
        yield self._first
        yield from self._pictures

    def _decode(self) -> Iterator[VideoFrame]:
        """Pictures in the order of showing; at a damaged place first those that the decoder still holds."""
        seen = _Seen()
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise BadClip(f"the clip breaks off in packet {seen.packets}")
                seen.packets += packet.size > 0
                for picture in packet.decode():
                    seen.end = _end(picture)
                    yield picture
        except (av.FFmpegError, BadClip) as error:
            yield from self._left_over()
            raise _bad_clip(error) from error
        self._check_complete(seen)

    def _left_over(self) -> Iterator[VideoFrame]:
        with suppress(av.FFmpegError):  # the clip is known to be bad: this saves what there is to save
            yield from self._stream.codec_context.decode(None)

    def _check_complete(self, seen: "_Seen") -> None:
        """Demuxers end quietly where a file was cut between two packets; its index and its duration tell."""
        listed = len(self._stream.index_entries) if "mp4" in self._container.format.name else 0
        if seen.packets < listed:
            raise BadClip(f"the clip breaks off after {seen.packets} of {listed} pictures")
        declared = _declared_end(self._container, self._stream)
        if seen.end is not None and declared is not None and seen.end < declared - CUT_OFF_S:
            raise BadClip(f"the clip breaks off at {float(seen.end):.2f} s of {float(declared):.2f} s")

    def _check_picture(self, picture: VideoFrame) -> None:
        self._check_size(picture.width, picture.height)
        first = self._first
        if (picture.width, picture.height) != (first.width, first.height):
            raise FrameSizeChanged(
                f"the clip's picture changes from {first.width} x {first.height} to {picture.width} x {picture.height}"
            )

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise ImageTooLarge(f"the clip's picture is {width} x {height} pixels, more than {self._max_pixels} in all")

    def _too_long(self, length_us: int) -> ClipTooLong:
        seconds, limit = length_us / MICROSECONDS, self._max_us / MICROSECONDS
        return ClipTooLong(f"the clip runs for {seconds:.1f} s or more; {limit:g} s are allowed")


class _Seen:
    """What has come out of a clip so far: packets, and the end of the last picture in seconds."""

    packets = 0
    end: Fraction | None = None


@contextmanager
def open_video(path: Path, max_seconds: float = MAX_SECONDS, max_pixels: int = MAX_PIXELS) -> Iterator[Video]:
    """Open a clip and decode its first picture.

    H.264, HEVC, VP9, AV1, MPEG-4 and MJPEG, and what else this FFmpeg decodes, in the usual containers.

    Raises:
        UnsupportedMedia: a container that is not taken, no video stream, or a codec without decoder (named).
        BadClip: nothing can be decoded.
        ClipTooLong: the container declares more than max_seconds (which may be math.inf).
        ImageTooLarge: pictures of more than max_pixels pixels.
        FileNotFoundError, PermissionError, IsADirectoryError: as of any file.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = DECODER_THREADS
        yield Video(container, stream, max_seconds, max_pixels)


def _open(path: Path) -> InputContainer:
    # "file:" keeps FFmpeg from reading a protocol out of an odd file name.
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path}", "r", options=options)
    except (av.error.FileNotFoundError, av.error.PermissionError, av.error.IsADirectoryError):
        raise
    except av.FFmpegError as error:
        kind = container_of(path)
        if kind is None and not isinstance(error, av.error.ArgumentError):
            raise _bad_clip(error) from error
        raise UnsupportedMedia(f"not a clip in a container that is read here ({kind or 'unknown'})") from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    film = main_film(container.streams.video)
    if film is None:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnsupportedMedia(f"the file has no video stream (it holds {kinds})")
    if not has_decoder(film):
        raise UnsupportedMedia(f"no decoder for the clip's codec ({_codec_named_by_ffmpeg(path)})")
    return film


def _codec_named_by_ffmpeg(path: Path) -> str:
    """What FFmpeg calls a codec that it cannot decode. PyAV tells it nowhere but in the log."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, _open(path):
            pass
    finally:
        av.logging.set_level(level)
    named = [text.partition("Video: ")[2].partition(",")[0] for _, _, text in lines if "Video: " in text]
    return named[0] if named else "unknown"


def _orientation(picture: VideoFrame) -> Orientation:
    # PyAV's types know of motion vectors only.
    side_data = cast(Mapping[str, bytes], picture.side_data)
    try:
        matrix = side_data["DISPLAYMATRIX"]
    except KeyError:
        return UPRIGHT
    return from_display_matrix(struct.unpack("=9i", matrix))


def _duration_us(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * MICROSECONDS)
    return container.duration  # av.time_base is one microsecond


def _declared_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Where the pictures should end, seconds, from containers that only declare their whole duration.

    With sound beside the pictures nothing is known: either may be the longer one.
    """
    if stream.duration is not None or container.duration is None or len(container.streams) > 1:
        return None
    return Fraction(container.duration, MICROSECONDS)


def _end(picture: VideoFrame) -> Fraction | None:
    if picture.pts is None or picture.time_base is None:
        return None
    return (picture.pts + (picture.duration or 0)) * picture.time_base


def _bad_clip(error: av.FFmpegError | BadClip) -> BadClip:
    return error if isinstance(error, BadClip) else BadClip(f"the clip is damaged or no clip at all: {_words(error)}")


def _words(error: av.FFmpegError) -> str:
    """FFmpeg's own last words on an error, without our file name."""
    _, last = error.log or (0, None)
    line = last[2].strip() if last else ""
    return line or error.strerror or type(error).__name__
