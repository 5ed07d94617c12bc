"""Pictures decoded in threads, as many at once as memory has room for.

A frame's picture is decoded while it waits for its turn, where there is room; else once its turn has come. Frames ahead
of their turn never wait for room and never fill more than half of it. So a frame whose turn it is gets its room from
those that are computed before it, however many pictures wait behind.

Pictures larger than a camera's 4K are decoded once their turn has come, one at a time, by a thread that the system
gives what others leave: a PNG of 40 million pixels takes seconds.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace

from model.coords import halved
from model.values import Frame
from service.config import Settings
from service.media.image import ImageHeader, checked_header, decode
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest

LARGE_PIXELS = 10_000_000
HALVED_SIDE = 512
"""A large picture is halved beside its decoding until its longer side is shorter than twice this: the device's thread,
where crops are made, is everybody's."""
NICENESS = 10
"""Of who works on what is large: of processor time, one part against nine of the others."""


class PixelBudget:
    """Pixels of decoded pictures in memory. `take_ahead` is for any thread, all else for the event loop.

    Args:
        most: pixels at once; at least twice as many as one picture has.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()
        self._line = asyncio.Lock()
        self._released = asyncio.Event()

    @property
    def held(self) -> int:
        """Pixels in memory."""
        return self._held

    def take_ahead(self, pixels: int) -> bool:
        """Hold so many more, if half of the budget has room for them."""
        return self._take(pixels, self._most // 2)

    async def take(self, pixels: int) -> None:
        """Hold so many more once there is room, first come first served."""
        async with self._line:
            while not self._take(pixels, self._most):
                self._released.clear()
                await self._released.wait()

    def release(self, pixels: int) -> None:
        """Give back."""
        with self._lock:
            self._held -= pixels
        self._released.set()

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
        self.budget = PixelBudget(settings.max_decoded_pixels)

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
        self._held = 0
        self._job: Future[Frame | ImageHeader] = decoder.threads.submit(self._context.run, self._ahead)

    async def frame(self) -> Frame:
        """The decoded picture; for the frame whose turn it is."""
        got = await asyncio.wrap_future(self._job)
        if isinstance(got, Frame):
            return got
        pixels = got.width * got.height
        await self._decoder.budget.take(pixels)
        self._held = pixels
        threads = self._decoder.patient if _is_large(got) else self._decoder.threads
        self._job = threads.submit(self._context.run, self._decoder.decode, self._request, got)
        frame = await asyncio.wrap_future(self._job)
        assert isinstance(frame, Frame)
        return frame

    def close(self) -> None:
        """Give it up, or let it go."""
        self._job.cancel()
        if self._job.done():
            self._decoder.budget.release(self._held)
        else:
            self._job.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._release))

    def _release(self) -> None:
        self._decoder.budget.release(self._held)

    def _ahead(self) -> Frame | ImageHeader:
        """In a thread: the picture, or what its header says where it has to wait for its turn."""
        if isinstance(self._request.picture, Frame):
            return self._request.picture
        header = self._decoder.header(self._request)
        if _is_large(header) or not self._decoder.budget.take_ahead(header.width * header.height):
            return header
        self._held = header.width * header.height
        return self._decoder.decode(self._request, header)


def _is_large(header: ImageHeader) -> bool:
    return header.width * header.height > LARGE_PIXELS


def _give_way() -> None:
    """For a thread. Linux has a niceness a thread; elsewhere it would be the process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
