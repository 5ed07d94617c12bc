"""What goes into and comes out of a client's calls, whatever the transport."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinepose_client.messages import ClipInfo, FrameResult
from kinepose_client.values import Region

CHUNK_BYTES = 1024 * 1024
"""A clip travels in pieces of this size."""


class Unreachable(ConnectionError):
    """The server cannot be reached, or the connection to it broke."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a client gets in, and how long it waits.

    Attributes:
        timeout_s: how long a call that answers at once may take.
        api_key: sent with every call; None where the server has no keys.
        root_certificates: PEM of who may vouch for the server; None takes those of this machine.
        tls: whether gRPC is encrypted. HTTP is where its URL begins with https.
    """

    timeout_s: float
    api_key: str | None = field(default=None, repr=False)
    root_certificates: bytes | None = None
    tls: bool = False

    def __post_init__(self) -> None:
        # Also a line break at the end of a file: libraries would quote the key in their complaint.
        if self.api_key is not None and not re.fullmatch(r"[!-~]+", self.api_key):
            raise ValueError("api_key: a key is of printable ASCII, without spaces or line breaks")

    @property
    def authorization(self) -> dict[str, str]:
        """The header, or metadata, of every call."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key is not None else {}


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame to send.

    Attributes:
        image: JPEG, PNG, WebP or BMP bytes.
        pts_us: presentation time, microseconds, increasing within a session; None if not known.
        region: the person's own box in pixels of the picture; None to follow them, or to look in frame 0.
        regions: in place of `region`: several people's, in the order of their numbers.
        seq: the frame's number in its session, from 0; None means the next one.
        deadline_ms: milliseconds from its arrival after which the answer is of no use; None if always.
    """

    image: bytes
    pts_us: int | None = None
    region: Region | None = None
    seq: int | None = None
    deadline_ms: int | None = None
    regions: Sequence[Region] = ()


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """What is asked of a clip, or of a picture that belongs to none.

    Attributes:
        region: the person's own box in the first frame; None looks for them.
        regions: in place of `region`: several people's, in the order of their numbers.
        model: a name that `models` lists; None for the server's default.
        strict: damage ends the clip with an error, and is not told in `gaps`.
        max_people: how many people are followed.
        format: in which form the results are to come, such as "csv"; None as they are.
        smoothing: "one_euro", "butterworth" or "savgol": smooth joints beside the raw ones, in formats that have room.
        webhook: of a job: the URL that is told that it has finished, on a host that the server lists.
    """

    region: Region | None = None
    regions: Sequence[Region] = ()
    model: str | None = None
    strict: bool = False
    max_people: int = 1
    format: str | None = None
    smoothing: str | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a clip is.

    Attributes:
        sent_bytes, total_bytes: of the file.
        frames: results that have come.
    """

    sent_bytes: int
    total_bytes: int
    frames: int


ProgressCallback = Callable[[Progress], object]


class ClipFile:
    """A clip to send, and who is told how far it is.

    The two counts have one writer each: over blocking gRPC files are sent from a thread of their own.
    """

    def __init__(self, path: str | os.PathLike[str], progress: ProgressCallback | None = None) -> None:
        self.path = Path(path)
        self._progress = progress
        self._total = self._sent = self._frames = 0

    def measure(self) -> None:
        """Look how large it is. Raises FileNotFoundError."""
        self._total = self.path.stat().st_size

    def sent(self, count: int) -> None:
        """So many bytes more are on their way."""
        self._sent += count
        self._report()

    def answered(self, answer: FrameResult | ClipInfo) -> None:
        """A result has come; or the last answer, which is none."""
        if isinstance(answer, FrameResult):
            self._frames += 1
            self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(Progress(self._sent, self._total, self._frames))

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the file."""
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
                self.sent(len(piece))

    async def async_pieces(self) -> AsyncIterator[bytes]:
        """The same, read beside the event loop."""
        file = await asyncio.to_thread(self.path.open, "rb")
        with file:
            while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield piece
                self.sent(len(piece))


ClipAnswers = Generator[FrameResult | ClipInfo, None, None]
AsyncClipAnswers = AsyncGenerator[FrameResult | ClipInfo, None]


class ClipResults:
    """The results of a clip as they come: iterate once. Stop early with `close()`.

    Attributes:
        info: what the server says of the clip; None until the last result has come.
    """

    def __init__(self, answers: ClipAnswers) -> None:
        self.info: ClipInfo | None = None
        self._answers = answers

    def __iter__(self) -> Iterator[FrameResult]:
        for answer in self._answers:
            if isinstance(answer, ClipInfo):
                self.info = answer
            else:
                yield answer

    def close(self) -> None:
        """Tell the server to stop."""
        self._answers.close()


class AsyncClipResults:
    """The results of a clip as they come: iterate once. Stop early with `aclose()`.

    Attributes:
        info: what the server says of the clip; None until the last result has come.
    """

    def __init__(self, answers: AsyncClipAnswers) -> None:
        self.info: ClipInfo | None = None
        self._answers = answers

    async def __aiter__(self) -> AsyncIterator[FrameResult]:
        async for answer in self._answers:
            if isinstance(answer, ClipInfo):
                self.info = answer
            else:
                yield answer

    async def aclose(self) -> None:
        """Tell the server to stop."""
        await self._answers.aclose()
