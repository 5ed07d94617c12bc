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
from service.media.pictures import words
from service.media.stream_choice import has_decoder, main_film
from service.media.timestamps import MICROSECONDS

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,ivf,h264,hevc,obu,m4v,mjpeg"
"""FFmpeg's demuxers that only ever read the file itself. A playlist (HLS, DASH, concat) names other files,
which an upload must not reach."""

DECODER_THREADS = 2  # each holds pictures of its own; the network is the slow part anyway


def open_container(path: Path) -> InputContainer:
    """The file as FFmpeg sees it.

    Raises:
        UnsupportedMedia: a container that is not taken.
        BadClip: it cannot be opened.
        FileNotFoundError, PermissionError, IsADirectoryError: as of any file.
    """
    # "file:" keeps FFmpeg from reading a protocol out of an odd file name.
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path}", "r", options=options)
    except (av.error.FileNotFoundError, av.error.PermissionError, av.error.IsADirectoryError):
        raise
    except av.error.ArgumentError as error:
        raise UnsupportedMedia("not a clip in a container that is read here") from error
    except av.FFmpegError as error:
        raise BadClip(f"the clip is damaged or no clip at all: {words(error)}") from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that is the film, ready to be decoded. UnsupportedMedia: none, or its codec (named) is not decoded."""
    film = main_film(container.streams.video)
    if film is None:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnsupportedMedia(f"the file has no video stream (it holds {kinds})")
    if not has_decoder(film):
        raise UnsupportedMedia(f"no decoder for the clip's codec ({_codec_named_by_ffmpeg(path)})")
    film.codec_context.thread_type = "AUTO"
    film.codec_context.thread_count = DECODER_THREADS
    return film


def clock_jumps(container: InputContainer) -> bool:
    """Whether times in this container may jump, as those of broadcasts do."""
    return bool(container.format.flags & cast(int, Flags.ts_discont.value))


def declared_length_us(container: InputContainer, stream: VideoStream) -> int | None:
    """What the container says, microseconds; None where it says nothing.

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
    return round(length * MICROSECONDS)


def _codec_named_by_ffmpeg(path: Path) -> str:
    """What FFmpeg calls a codec that it cannot decode. PyAV tells it nowhere but in the log."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines, open_container(path):
            pass
    finally:
        av.logging.set_level(level)
    named = [text.partition("Video: ")[2].partition(",")[0] for _, _, text in lines if "Video: " in text]
    return named[0] if named else "unknown"
