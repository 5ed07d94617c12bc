"""A clip's sound, copied as it is into a drawing of the clip.

Packets are moved and never decoded: what the drawing's container does not hold is left out, and so is whatever does not
follow on what came before.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from service.errors import KineposeError
from service.media.opening import open_container
from service.media.timestamps import MICROSECONDS

_ANY_PIXELS = 1
"""No picture is decoded for the sound."""

_IN_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
HELD: dict[str, frozenset[str]] = {
    "mp4": _IN_MP4,
    "mov": _IN_MP4 | {"pcm_s16le", "pcm_s24le"},
    "matroska": _IN_MP4 | {"pcm_s16le", "pcm_s24le", "vorbis", "mp2", "dts"},
}
"""Sound that players find in each container."""


class Sound:
    """The first sound of a clip, on its way into another file; `open_sound`.

    Args:
        source, stream: where it comes from.
        target: gets a stream like it.
    """

    def __init__(self, source: InputContainer, stream: AudioStream, target: OutputContainer) -> None:
        self._packets = _in_order(source.demux(stream))
        self._target = target
        self._copy = target.add_stream_from_template(stream)
        self._unit = stream.time_base or Fraction(1, MICROSECONDS)
        self._next = next(self._packets, None)

    def write_until(self, us: int, start_us: int) -> None:
        """Copy what sounds before this time of the drawing, whose time 0 is `start_us` of the clip's own clock."""
        start = round(Fraction(start_us, MICROSECONDS) / self._unit)
        end = Fraction(us, MICROSECONDS) / self._unit
        while self._next is not None and self._next.dts is not None and self._next.dts - start < end:
            packet, self._next = self._next, next(self._packets, None)
            self._write(packet, start)

    def _write(self, packet: "Packet[AudioStream]", start: int) -> None:
        if packet.dts is None or packet.pts is None or min(packet.dts, packet.pts) < start:
            return  # before the first picture
        packet.dts, packet.pts, packet.stream = packet.dts - start, packet.pts - start, self._copy
        self._target.mux(packet)


@contextmanager
def open_sound(clip: Path | None, target: OutputContainer) -> Iterator[Sound | None]:
    """The sound of a clip for a file to which nothing was written yet; None where there is none that it holds."""
    try:
        source = open_container(clip, _ANY_PIXELS) if clip is not None else None
    except (KineposeError, OSError):
        source = None
    if source is None:
        yield None
        return
    with source:
        yield _sound(source, target)


def _sound(source: InputContainer, target: OutputContainer) -> Sound | None:
    with suppress(av.FFmpegError, ValueError):  # of a kind that cannot be copied
        held = HELD[target.format.name]
        for stream in source.streams.audio:
            if (codec := _copied_codec(stream)) and codec in held:
                return Sound(source, stream, target)
    return None


def _copied_codec(stream: AudioStream) -> str | None:
    """What a stream's sound is; None where FFmpeg does not know, or where it lacks the header that a file needs."""
    context = getattr(stream, "codec_context", None)  # typed as always there; PyAV leaves it out then
    if context is None or not context.sample_rate:
        return None
    name: str = stream.codec.canonical_name
    return None if name == "aac" and not context.extradata else name  # as in MPEG-TS, with a header a packet


def _in_order(packets: "Iterator[Packet[AudioStream]]") -> "Iterator[Packet[AudioStream]]":
    """Those that come after the one before them, to the end or to the first damage."""
    last = None
    with suppress(av.FFmpegError):
        for packet in packets:
            if packet.dts is not None and (last is None or packet.dts > last):
                last = packet.dts
                yield packet
