"""Pictures out of a stream, past its damaged places: one rule for all containers and codecs."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import TypeAlias

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from service.contract.messages import GapReason
from service.media.timestamps import MICROSECONDS

CUT_OFF_S = 0.5
"""A clip that ends this much before its declared end has been cut off; containers round their durations."""
MOST_FAILED_READS = 100
"""So often in a row a file may fail to be read before it is taken to end there."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Pictures are missing from here on.

    Attributes:
        reason: what clients are told.
        detail: a sentence for people.
    """

    reason: GapReason
    detail: str


Event: TypeAlias = "Packet[VideoStream] | Damage"  # PyAV's class takes no parameter when it runs.


class Pictures:
    """The pictures of a stream in the order of showing, and the places where some are missing; iterate once.

    Where a packet is marked damaged, or the decoder finds that it is, pictures that lean on it are left out, and
    decoding goes on from the next key frame. Damage that the decoder does not find passes: HEVC, VP9 and AV1 decode
    most flipped bits to something.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, failed_reads: int = MOST_FAILED_READS) -> None:
        self._container = container
        self._stream = stream
        self._failed_reads = failed_reads
        self._context = stream.codec_context
        self._order: dict[int, int] = {}  # pts -> place in the order of decoding, of what has not come out yet
        self._held: deque[VideoFrame] = deque()
        self._packets = 0
        self._end: Fraction | None = None
        self._resumed_at: int | None = None
        self._seeking_key = False

    def __iter__(self) -> Iterator[VideoFrame | Damage]:
        for packet, harmless in _judged(self._read(), one_late=self._container.format.name == "mpegts"):
            if isinstance(packet, Damage):
                yield from self._break_off(packet, self._packets + 1)
            elif self._skipped(packet):
                continue
            elif harmless:
                yield from self._decode(packet)
            else:
                damage = Damage(GapReason.DAMAGED, f"the clip is damaged or breaks off in packet {self._packets - 1}")
                yield from self._break_off(damage, self._packets)
        yield from self._finish()

    def _read(self) -> Iterator[Event]:
        """The stream's packets, without the empty one at the end."""
        failed = 0
        while failed < self._failed_reads:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failed = 0
                        yield packet
                return
            except av.FFmpegError as error:
                failed += 1
                if failed == 1:
                    yield Damage(GapReason.DAMAGED, words(error))

    def _skipped(self, packet: "Packet[VideoStream]") -> bool:
        """Whether the packet is passed over on the way to the next key frame."""
        self._packets += 1
        self._end = _end(packet) or self._end
        if self._seeking_key:
            if not packet.is_keyframe:
                return True
            self._seeking_key, self._resumed_at = False, packet.pts
        if packet.pts is not None:
            self._order[packet.pts] = self._packets
        return False

    def _decode(self, packet: "Packet[VideoStream] | None") -> Iterator[VideoFrame | Damage]:
        try:
            for picture in self._context.decode(packet):
                if picture.is_corrupt:
                    yield from self._break_off(Damage(GapReason.DAMAGED, "a picture is damaged"), self._place(picture))
                    return
                self._hold(picture)
                yield from self._released(self._context.reorder_depth)
        except av.FFmpegError as error:
            # Threads tell of a fault some packets late.
            first = self._packets - self._context.thread_count + 1
            yield from self._break_off(Damage(GapReason.DAMAGED, words(error)), first)

    def _break_off(self, damage: Damage, place: int) -> Iterator[VideoFrame | Damage]:
        """What was decoded before the packet of this place and is shown before the picture of it; then the damage."""
        with suppress(av.FFmpegError):
            for picture in self._context.decode(None):
                if picture.is_corrupt:
                    place = min(place, self._place(picture))
                self._hold(picture)
        lost_pts = min((pts for pts, of in self._order.items() if of >= place), default=None)
        self._held = deque(held for held in self._held if self._place(held) < place and _is_before(held, lost_pts))
        yield from self._released(0)
        self._context.flush_buffers()
        self._order.clear()
        self._seeking_key = True
        yield damage

    # -- pictures wait until all that was decoded before them, and they may lean on, is known to be good ----

    def _place(self, picture: VideoFrame) -> int:
        """Of the picture's packet in the order of decoding; 0 where that is not known."""
        return 0 if picture.pts is None else self._order.get(picture.pts, 0)

    def _hold(self, picture: VideoFrame) -> None:
        if self._resumed_at is not None and picture.pts is not None:
            if picture.pts < self._resumed_at:
                return  # It leans on pictures before the key frame.
            self._resumed_at = None
        self._held.append(picture)

    def _released(self, keep: int) -> Iterator[VideoFrame]:
        while len(self._held) > keep:
            picture = self._held.popleft()
            if picture.pts is not None:
                self._order.pop(picture.pts, None)
            yield picture

    # -- the end ------------------------------------------------------------------------------------------

    def _finish(self) -> Iterator[VideoFrame | Damage]:
        if not self._seeking_key:
            yield from self._decode(None)
            yield from self._released(0)
        cut = self._cut_off()
        if cut is not None:
            yield Damage(GapReason.CUT_OFF, cut)

    def _cut_off(self) -> str | None:
        """Demuxers end quietly where a file was cut between two packets; its index and its duration tell."""
        listed = len(self._stream.index_entries) if "mp4" in self._container.format.name else 0
        if self._packets < listed:
            return f"the clip breaks off after {self._packets} of {listed} pictures"
        declared = declared_end(self._container, self._stream)
        if self._end is None or declared is None or self._end >= declared - CUT_OFF_S:
            return None
        return f"the clip breaks off at {float(self._end):.2f} s of {float(declared):.2f} s"


def _judged(events: Iterable[Event], one_late: bool) -> Iterator[tuple[Event, bool]]:
    """Each packet, and whether it may be decoded: not where it is marked as damaged, unless a key frame follows on it.

    Nothing leans on that one, and it may well be whole, for a transport stream's counters also jump where two
    recordings were joined. There the decoder is to say.

    Args:
        one_late: whether the mark of a packet is on the one before it, as where a parser cuts a stream into packets.
    """
    late = False
    for event, after in pairwise(chain(events, (None,))):
        assert event is not None
        marked = isinstance(event, Packet) and event.is_corrupt
        damaged, late = (late, marked) if one_late else (marked, False)
        yield event, not damaged or _is_key(after)


def _is_key(event: "Event | None") -> bool:
    return isinstance(event, Packet) and event.is_keyframe


def _is_before(picture: VideoFrame, pts: int | None) -> bool:
    return pts is None or picture.pts is None or picture.pts < pts


def _end(packet: "Packet[VideoStream]") -> Fraction | None:
    time = packet.dts if packet.pts is None else packet.pts
    return None if time is None else (time + (packet.duration or 0)) * packet.time_base


def declared_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Where the pictures should end, seconds, from containers that only declare their whole duration.

    With sound beside the pictures nothing is known: either may be the longer one.
    """
    if stream.duration is not None or container.duration is None or len(container.streams) > 1:
        return None
    return Fraction(container.duration, MICROSECONDS)


def words(error: av.FFmpegError) -> str:
    """FFmpeg's own words on an error. Not its log's: what PyAV gives as an error's may be of the clip before."""
    return error.strerror or type(error).__name__
