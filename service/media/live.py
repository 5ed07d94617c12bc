"""Streams from elsewhere - cameras, RTSP, HTTP - for the command line. A server opens none: see `opening`."""

import re
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import av
import av.error

from model.values import Frame
from service.errors import BadClip, UnsupportedMedia
from service.media.limits import ClipLimits
from service.media.opened import Clip
from service.media.opening import video_stream
from service.media.pictures import words
from service.media.video import Video
from service.media.view import ClipView

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0
"""A stream that brings nothing for so long has ended."""
LOOK_S = 0.1
"""How often whoever waits for a frame looks whether it is to stop."""
FAILED_READS = 2
PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,rtsp,rtsps,srt,rtmp,rtmps,crypto,data"
"""What a stream may use; a playlist from elsewhere names no files of this machine."""
LIVE = ("rtsp", "rtsps", "rtp", "udp", "srt", "rtmp", "rtmps")
"""Schemes of what cannot wait for whoever reads it."""
CAMERA = re.compile(r"camera:(\d+|/dev/\S+)")
URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def is_camera(text: str) -> bool:
    """Whether it names a camera of this machine: `camera:0`, `camera:/dev/video2`."""
    return CAMERA.fullmatch(text) is not None


def scheme_of(text: str) -> str | None:
    """The scheme of a URL, in lower case; None for a path."""
    url = URL.match(text)
    return None if url is None else url.group(1).lower()


def without_password(url: str) -> str:
    """A URL as it may be printed."""
    return re.sub(r"(://)[^/@\s]*@", r"\1", url)


@contextmanager
def open_stream(source: str, limits: ClipLimits, *, strict: bool = False) -> Iterator[Video]:
    """Open a URL that FFmpeg reads, or a camera (V4L2), and decode its first picture.

    Raises:
        BadClip: it cannot be reached, or nothing can be decoded.
        UnsupportedMedia: no video in it, or a codec that is not decoded here.
        ImageTooLarge: the picture has more pixels than allowed.
    """
    camera = CAMERA.fullmatch(source)
    try:
        container = _open_camera(camera.group(1)) if camera else _open_url(source)
    except (av.FFmpegError, OSError) as error:
        why = words(error) if isinstance(error, av.FFmpegError) else error.strerror or str(error)
        raise BadClip(f"cannot be opened: {why}") from error
    with container:
        stream = video_stream(container, None, limits.pixels)
        yield Video(container, stream, limits, strict, FAILED_READS)


def _open_camera(which: str) -> av.container.InputContainer:
    device = which if which.startswith("/") else f"/dev/video{which}"
    return av.open(device, "r", format="video4linux2", timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))


def _open_url(url: str) -> av.container.InputContainer:
    if scheme_of(url) not in PROTOCOLS.split(","):
        raise UnsupportedMedia(f"URLs of {scheme_of(url)} are not read here; those of {PROTOCOLS} are")
    # Over TCP no packet of a camera is lost; what comes too late is passed over by `Latest`. Over UDP what is not taken
    # in time is lost, and the stream goes on.
    options = {"protocol_whitelist": PROTOCOLS, "rtsp_transport": "tcp", "overrun_nonfatal": "1"}
    return av.open(url, "r", options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S), metadata_errors="replace")


class Latest(ClipView):
    """A live clip of which each frame is the newest there is: what came meanwhile is dropped. Iterate once.

    The clip is read in a thread of its own, which has ended when the iteration has.

    Args:
        stop: once it is set, the clip ends.

    Attributes:
        dropped: frames that came and were not given out.
    """

    def __init__(self, clip: Clip, stop: threading.Event) -> None:
        super().__init__(clip)
        self.dropped = 0
        self._stop = stop
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._error: Exception | None = None

    def __iter__(self) -> Generator[Frame, None, None]:
        """The newest frame each time. Raises what reading the clip does."""
        reader = threading.Thread(target=self._read, name="kinepose-live")
        reader.start()
        try:
            while (frame := self._next()) is not None:
                yield frame
        finally:
            self._stop.set()
            reader.join()
        if self._error is not None:
            raise self._error

    def _next(self) -> Frame | None:
        with self._changed:
            # By and by: whoever interrupts from the keyboard only sets the event.
            while self._newest is None and not self._ended and not self._stop.is_set():
                self._changed.wait(LOOK_S)
            frame, self._newest = self._newest, None
            return None if self._stop.is_set() else frame

    def _read(self) -> None:
        try:
            with closing(iter(self._clip)) as frames:
                for frame in frames:
                    if self._stop.is_set():
                        break
                    self._put(frame)
        except Exception as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = frame
            self._changed.notify_all()
