"""One stream of a session: frames in, one result for each, in order.

Frames wait in a small buffer; a few are in work at once: the next is decoded while this one is computed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace

from service.auth.access import Holding
from service.contract.messages import DropPolicy, EncodedFrame, FrameResult
from service.errors import Draining
from service.pipeline.request import FrameRequest

MOST_UNREAD = 256
"""Results that wait for a client who does not read; then its frames are not read either."""

Answer = Callable[[FrameRequest], Awaitable[FrameResult]]


class _Entry:
    """A frame that was taken in. `answer` is None while it waits in the buffer."""

    def __init__(self, request: FrameRequest, held: Holding, amount: int) -> None:
        self.request = request
        self._held = held
        self._bytes = amount
        self.answer: asyncio.Task[FrameResult] | None = None

    @property
    def waits(self) -> bool:
        return self.answer is None and self.request.early_error is None

    @property
    def in_work(self) -> bool:
        return self.answer is not None and not self.answer.done()

    def drop(self) -> None:
        """Leave the frame out."""
        self.request = self.request.dropped()
        self.let_go()

    def let_go(self) -> None:
        """The picture is needed no more: results that wait for their reader do not keep it."""
        self.request = replace(self.request, picture=b"")
        self._held.remove(self._bytes)
        self._bytes = 0


class StreamRun:
    """Runs one stream.

    Args:
        answer: answers one frame; an error that it raises ends the stream.
        receive: makes the job of a frame.
        policy: what happens when more than `buffer` frames wait.
        buffer: frames that wait, at most.
        depth: frames in work at once, at most.
    """

    def __init__(
        self,
        answer: Answer,
        receive: Callable[[EncodedFrame], FrameRequest],
        policy: DropPolicy,
        *,
        buffer: int,
        depth: int,
    ) -> None:
        self._answer = answer
        self._receive = receive
        self._policy = policy
        self._buffer = buffer
        self._depth = depth
        self._entries: deque[_Entry] = deque()
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._stopped = False

    async def results(self, frames: AsyncIterator[EncodedFrame], held: Holding) -> AsyncGenerator[FrameResult, None]:
        """One result a frame, in order. Closing it, or cancelling its consumer, ends all that is in work.

        Args:
            frames: as they come; none is read while there is no room for it.
            held: grows by each picture until it is answered.

        Raises:
            Draining: `stop` was called; every frame taken in has been answered.
        """
        self._reader = asyncio.create_task(self._read(frames, held))
        self._reader.add_done_callback(lambda _: self._changed.set())
        try:
            while (answer := await self._next_answer(self._reader)) is not None:
                result = await answer
                self._entries.popleft()
                self._changed.set()
                yield result
            if self._stopped:
                raise Draining("the server is shutting down")
            self._reader.result()
        finally:
            await self._end(self._reader)

    def stop(self) -> None:
        """Take in no more frames; those taken in are still answered."""
        self._stopped = True
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, frames: AsyncIterator[EncodedFrame], held: Holding) -> None:
        async for frame in frames:
            await self._room()
            await held.wait(len(frame.image))
            self._take_in(_Entry(self._receive(frame), held, len(frame.image)))
            self._start_work()

    async def _room(self) -> None:
        while len(self._entries) >= MOST_UNREAD or (self._policy is DropPolicy.WAIT and self._is_full()):
            self._changed.clear()
            await self._changed.wait()

    def _is_full(self) -> bool:
        return sum(entry.waits for entry in self._entries) >= self._buffer

    def _take_in(self, entry: _Entry) -> None:
        # With the policy `wait`, there is room by now.
        if self._is_full():
            if self._policy is DropPolicy.DROP_LATEST:
                entry.drop()
            else:
                next(waiting for waiting in self._entries if waiting.waits).drop()
        self._entries.append(entry)
        self._changed.set()

    def _start_work(self) -> None:
        free = self._depth - sum(entry.in_work for entry in self._entries)
        for entry in self._entries:
            if free > 0 and entry.answer is None:
                entry.answer = asyncio.ensure_future(self._work(entry))
                free -= 1
        self._changed.set()

    async def _work(self, entry: _Entry) -> FrameResult:
        try:
            return await self._answer(entry.request)
        finally:
            entry.let_go()
            # Once this task is done, not while it still counts as being in work.
            asyncio.get_running_loop().call_soon(self._start_work)

    async def _next_answer(self, reader: asyncio.Task[None]) -> asyncio.Task[FrameResult] | None:
        while True:
            if self._entries and self._entries[0].answer is not None:
                return self._entries[0].answer
            if not self._entries and reader.done():
                return None
            self._changed.clear()
            await self._changed.wait()

    async def _end(self, reader: asyncio.Task[None]) -> None:
        answers = [entry.answer for entry in self._entries if entry.answer is not None]
        self._entries.clear()
        for task in (reader, *answers):
            task.cancel()
        await asyncio.gather(reader, *answers, return_exceptions=True)
