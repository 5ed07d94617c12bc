"""Clips opened: which containers and codecs are read, and what their headers say that is not believed."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import av.logging
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from service.errors import BadClip, UnsupportedMedia
from service.media.container_names import container_of
from service.media.limits import ClipLimits
from service.media.pictures import words
from service.media.stream_choice import has_decoder, main_film
from service.media.timestamps import FARTHEST_US, MICROSECONDS, Timestamps

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,ivf,h264,hevc,obu,m4v,mjpeg"
"""FFmpeg's demuxers that only ever read the file itself. A playlist (HLS, DASH, concat) names other files,
which an upload must not reach."""

CODECS = frozenset(
    (
        *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "h263", "flv1"),
        *("msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "wmv3", "vc1", "theora"),
        *("prores", "dnxhd", "dvvideo", "cfhd", "ffv1", "huffyuv", "ffvhuff", "rawvideo"),
    )
)
"""What is decoded: what cameras, phones, browsers, editors and laboratories write. FFmpeg knows some 200 more, most of
them old, rarely looked at, and no loss."""
DECODERS = (
    "av1,cfhd,dnxhd,dvvideo,ffv1,ffvhuff,flv,h263,h264,hevc,huffyuv,libdav1d,libvpx,libvpx-vp9,mjpeg,mpeg1video,mpeg2video,"
    "mpeg4,mpegvideo,msmpeg4,msmpeg4v1,msmpeg4v2,prores,rawvideo,theora,vc1,vp8,vp9,wmv1,wmv2,wmv3"
)
"""FFmpeg's decoders of CODECS: no others run while it looks what is in a file."""
LARGE_PIXELS = 1_000_000
"""Pictures above this are decoded by two threads, smaller ones by one, which takes a fifth less of the processor. Each
holds pictures of its own; the network is the slow part anyway."""


def open_container(path: Path, max_pixels: int) -> InputContainer:
    """The file as FFmpeg sees it. Pictures above max_pixels are not decoded on the way to learn what is in it.

    Raises:
        UnsupportedMedia: a container that is not taken.
        BadClip: it cannot be opened.
        FileNotFoundError, PermissionError, IsADirectoryError: as of any file.
    """
    # "file:" keeps FFmpeg from reading a protocol out of an odd file name.
    options = {
        "format_whitelist": CONTAINERS,
        "protocol_whitelist": "file",
        "codec_whitelist": DECODERS,
        "max_pixels": str(max_pixels),
    }
    try:
        # Titles in any encoding: nobody reads them.
        return av.open(f"file:{path}", "r", options=options, metadata_errors="replace")
    except (av.error.FileNotFoundError, av.error.PermissionError, av.error.IsADirectoryError):
        raise
    except av.FFmpegError as error:
        kind = container_of(path)
        if kind is None and not isinstance(error, av.error.ArgumentError):
            raise BadClip(f"the clip is damaged or no clip at all: {words(error)}") from error
        raise UnsupportedMedia(f"not a clip in a container that is read here ({kind or 'unknown'})") from error


def video_stream(container: InputContainer, path: Path | None, max_pixels: int) -> VideoStream:
    """The stream that is the film, ready to be decoded, but for pictures above max_pixels. `path`: of a file.

    Raises:
        UnsupportedMedia: there is none, or its codec (named) is not decoded here.
    """
    film = main_film(container.streams.video)
    if film is None:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnsupportedMedia(f"the file has no video stream (it holds {kinds})")
    if not has_decoder(film):
        name = "unknown" if path is None else _codec_named_by_ffmpeg(path, max_pixels)
        raise UnsupportedMedia(f"no decoder for the clip's codec ({name})")
    codec = film.codec_context.codec.canonical_name
    if codec not in CODECS:
        raise UnsupportedMedia(f"the clip's codec is not decoded here ({codec})")
    film.codec_context.options = {"max_pixels": str(max_pixels)}
    film.codec_context.thread_type = "AUTO"
    film.codec_context.thread_count = 2 if film.codec_context.width * film.codec_context.height > LARGE_PIXELS else 1
    return film


def clock_jumps(container: InputContainer) -> bool:
    """Whether times in this container may jump, as those of broadcasts do."""
    return bool(container.format.flags & cast(int, Flags.ts_discont.value))


def declared_length_us(container: InputContainer, stream: VideoStream) -> int | None:
    """What the container says, microseconds; None where it says nothing, or nothing that can be.

    Matroska and ASF tell where the clip ends, on a clock that may have begun long before.
    """
    if stream.duration is not None and stream.time_base is not None:
        length, start = stream.duration * stream.time_base, (stream.start_time or 0) * stream.time_base
    elif container.duration is not None:
        length, start = Fraction(container.duration, MICROSECONDS), Fraction(container.start_time or 0, MICROSECONDS)
    else:
        return None
    if {"matroska", "asf"} & set(container.format.name.split(",")) and 0 < start < length:
        length -= start
    length_us = round(length * MICROSECONDS)
    return length_us if 0 <= length_us <= FARTHEST_US else None


def _codec_named_by_ffmpeg(path: Path, max_pixels: int) -> str:
    """What FFmpeg calls a codec that it cannot decode. PyAV tells it nowhere but in the log."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, open_container(path, max_pixels):
            pass
    finally:
        av.logging.set_level(level)
    named = [text.partition("Video: ")[2].partition(",")[0] for _, _, text in lines if "Video: " in text]
    return named[0] if named else "unknown"


def check_declared(path: Path, container: InputContainer, stream: VideoStream, limits: ClipLimits) -> None:
    """Refuse a clip that is too long before anything is decoded.

    Where the header says so, the packets of the file are looked through, up to the limit: it may be wrong.

    Raises:
        ClipTooLong: the packets say it too.
    """
    length_us = declared_length_us(container, stream) or 0
    if length_us <= limits.seconds * MICROSECONDS and stream.frames <= limits.frames:
        return
    with open_container(path, limits.pixels) as again:
        packets = again.streams[stream.index]
        clock = Timestamps(packets.time_base or Fraction(1, MICROSECONDS), stream.average_rate, clock_jumps(again))
        try:
            for number, packet in enumerate(packet for packet in again.demux(packets) if packet.size):
                limits.check_place(clock.next_us(packet.dts), number)
        except av.FFmpegError:
            return  # It breaks off before the limit: reading it will tell.
