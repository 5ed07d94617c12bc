"""Pictures decoded in threads, as many at once as memory has room for.

A frame's picture is decoded while it waits for its turn, where there is room; else once its turn has come. Frames ahead
of their turn never wait for room and never fill more than half of it. So a frame whose turn it is gets its room from
those that are computed before it, however many pictures wait behind. Of pictures whose turn it is, one API key's may
hold a quarter: others find room beside somebody who sends large ones over many sessions.

Pictures larger than a camera's 4K are decoded once their turn has come, one at a time, by a thread that the system
gives what others leave: a PNG of 40 million pixels takes seconds.
"""

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from model.coords import halved
from model.values import Frame
from service.config import Settings
from service.media.confinement import NICENESS
from service.media.image import ImageHeader, checked_header, decode
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest

LARGE_PIXELS = 10_000_000
HALVED_SIDE = 512
"""A large picture is halved beside its decoding until its longer side is shorter than twice this: the device's thread,
where crops are made, is everybody's."""
SHARE_OF_A_KEY = 4
"""Part of all pixels that pictures of one API key may have whose turn it is."""


@dataclass(eq=False)
class _Waiting:
    owner: str | None
    pixels: int
    room: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PixelBudget:
    """Pixels of decoded pictures in memory. `take_ahead` is for any thread, all else for the event loop.

    Whose pictures they are is known once it is their turn.

    Args:
        most: pixels at once; at least twice as many as one picture has.
        most_per_owner: of one API key's pictures whose turn it is; at least as many as one picture has.
    """

    def __init__(self, most: int, most_per_owner: int) -> None:
        self._most = most
        self._most_per_owner = most_per_owner
        self._held = 0
        self._of_owner: Counter[str | None] = Counter()
        self._lock = threading.Lock()
        self._line: list[_Waiting] = []

    @property
    def held(self) -> int:
        """Pixels in memory."""
        return self._held

    def take_ahead(self, pixels: int) -> bool:
        """Hold so many more, if half of the budget has room for them."""
        return self._take(pixels, self._most // 2)

    async def take(self, pixels: int, owner: str | None) -> None:
        """Hold so many more once there is room, first come first served but for those who have their share."""
        waiting = _Waiting(owner, pixels)
        self._line.append(waiting)
        self._give()
        try:
            await waiting.room
        except asyncio.CancelledError:
            if not waiting.room.cancelled():  # It had got its room.
                self.release(pixels, owner)
            self._line = [other for other in self._line if other is not waiting]
            self._give()  # Those behind it may fit where it did not.
            raise

    def release_ahead(self, pixels: int) -> None:
        """Give back what `take_ahead` took."""
        with self._lock:
            self._held -= pixels
        self._give()

    def release(self, pixels: int, owner: str | None) -> None:
        """Give back what `take` took."""
        self._of_owner[owner] -= pixels
        if not self._of_owner[owner]:
            del self._of_owner[owner]
        self.release_ahead(pixels)

    def _give(self) -> None:
        """Room for those in the line; nobody passes somebody who waits for room, whatever they ask for."""
        for waiting in list(self._line):
            if waiting.room.cancelled() or not self._is_within_share(waiting):
                continue
            if not self._take(waiting.pixels, self._most):
                return
            self._of_owner[waiting.owner] += waiting.pixels
            self._line.remove(waiting)
            waiting.room.set_result(None)

    def _is_within_share(self, waiting: _Waiting) -> bool:
        held = self._of_owner[waiting.owner] + waiting.pixels
        return waiting.owner is None or held <= self._most_per_owner

    def _take(self, pixels: int, most: int) -> bool:
        with self._lock:
            fits = self._held + pixels <= most
            self._held += pixels if fits else 0
        return fits


class Decoder:
    """Threads that decode pictures. Of one event loop.

    Args:
        settings: limits on pictures, how many threads and how many pixels.
        metrics: measures decoding.

    Attributes:
        threads: where pictures are decoded. patient: where large ones are.
        budget: what they hold.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.threads = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="kinepose-decode")
        self.patient = ThreadPoolExecutor(1, "kinepose-decode-large", _give_way)
        most = settings.max_decoded_pixels
        self.budget = PixelBudget(most, max(most // SHARE_OF_A_KEY, settings.max_image_pixels))

    @contextmanager
    def decoding(self, request: FrameRequest) -> "Iterator[Decoding]":
        """The picture of a frame, begun on; given up, or let go, at the end of the block."""
        begun = Decoding(self, request)
        try:
            yield begun
        finally:
            begun.close()

    def header(self, request: FrameRequest) -> ImageHeader:
        """Blocks. Raises TooLarge, ImageTooLarge, BadImage."""
        assert isinstance(request.picture, bytes)
        return checked_header(request.picture, self._settings.max_image_bytes, self._settings.max_image_pixels)

    def decode(self, request: FrameRequest, header: ImageHeader) -> Frame:
        """Blocks. Raises BadImage."""
        assert isinstance(request.picture, bytes)
        begin = time.perf_counter()
        with tracing.span("decode"):
            frame = decode(request.picture, header)
        self._metrics.compute_duration.labels("decode").observe(time.perf_counter() - begin)
        frame = replace(frame, pts_us=request.pts_us)
        if _is_large(header):
            halved(frame, (max(frame.size) // HALVED_SIDE).bit_length() - 1)
        return frame

    async def works(self, timeout_s: float) -> bool:
        """False where no thread comes to a new picture within this time."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().run_in_executor(self.threads, int)
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """End the threads, after the pictures that they are at."""
        for threads in (self.threads, self.patient):
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)


class Decoding:
    """One frame's picture on its way. Raises, from `frame`: TooLarge, ImageTooLarge, BadImage."""

    def __init__(self, decoder: Decoder, request: FrameRequest) -> None:
        self._decoder = decoder
        self._request = request
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        self._ahead_pixels = 0
        self._taken: tuple[int, str | None] | None = None
        self._job: Future[Frame | ImageHeader] = decoder.threads.submit(self._context.run, self._ahead)

    async def frame(self, owner: str | None) -> Frame:
        """The decoded picture; for the frame whose turn it is, of a session of this API key."""
        got = await asyncio.wrap_future(self._job)
        if isinstance(got, Frame):
            return got
        pixels = got.width * got.height
        await self._decoder.budget.take(pixels, owner)
        self._taken = pixels, owner
        threads = self._decoder.patient if _is_large(got) else self._decoder.threads
        self._job = threads.submit(self._context.run, self._decoder.decode, self._request, got)
        frame = await asyncio.wrap_future(self._job)
        assert isinstance(frame, Frame)
        return frame

    def close(self) -> None:
        """Give it up, or let it go."""
        self._job.cancel()
        if self._job.done():
            self._release()
        else:
            self._job.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._release))

    def _release(self) -> None:
        self._decoder.budget.release_ahead(self._ahead_pixels)
        if self._taken is not None:
            self._decoder.budget.release(*self._taken)

    def _ahead(self) -> Frame | ImageHeader:
        """In a thread: the picture, or what its header says where it has to wait for its turn."""
        if isinstance(self._request.picture, Frame):
            return self._request.picture
        header = self._decoder.header(self._request)
        if _is_large(header) or not self._decoder.budget.take_ahead(header.width * header.height):
            return header
        self._ahead_pixels = header.width * header.height
        return self._decoder.decode(self._request, header)


def _is_large(header: ImageHeader) -> bool:
    return header.width * header.height > LARGE_PIXELS


def _give_way() -> None:
    """For a thread. Linux has a niceness a thread; elsewhere it would be the process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
