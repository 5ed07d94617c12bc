"""One process between its start and its end: does it serve, and what has it begun that must come to its end?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.errors import Draining, StorageFull, StoreUnavailable
from service.pipeline.processor import FrameExecutor
from service.pipeline.stream import StreamRun
from service.sessions.store import SessionStore

log = logging.getLogger(__name__)

T = TypeVar("T")


class Lifecycle:
    """What probes ask, and what a drain waits for. Frontends and workers have one each.

    Args:
        executor: what computes frames.
        store: where sessions are.

    Attributes:
        draining: turns true once, by `begin_drain`, when the process begins to shut down.
        ready_checks: what else has to be well; each raises where it is not.
    """

    def __init__(self, executor: FrameExecutor, store: SessionStore) -> None:
        self._executor = executor
        self._store = store
        self._streams: set[StreamRun] = set()
        self._clips: set[str] = set()
        self._something_ended = asyncio.Event()
        self._drain = asyncio.Event()
        self.ready_checks: list[Callable[[], None]] = []

    @property
    def draining(self) -> bool:
        """See the class."""
        return self._drain.is_set()

    def begin_drain(self) -> None:
        """Nothing new is taken from now on."""
        self._drain.set()

    def live(self) -> bool:
        """False once the device is lost: only a new process helps."""
        return self._executor.live()

    async def ready(self) -> bool:
        """True where frames are computed (`FrameExecutor.ready`), the store answers, and no drain began."""
        try:
            self.check_resources()
            await self._store.sweep()
        except (StoreUnavailable, StorageFull) as error:
            log.warning("not ready: %s", error)
            return False
        return not self.draining and await self._executor.ready()

    def check_resources(self) -> None:
        """Raise what the first of `ready_checks` raises."""
        for check in self.ready_checks:
            check()

    def check_serving(self) -> None:
        """Raise Draining where nothing new is taken."""
        if self.draining:
            raise Draining("the server is shutting down")

    async def unless_draining(self, work: Awaitable[T]) -> T:
        """Its result; a drain that has begun, or begins meanwhile, gives it up.

        Raises:
            Draining: given up. What the work raises.
        """
        task, drain = asyncio.ensure_future(work), asyncio.ensure_future(self._drain.wait())
        try:
            await asyncio.wait({task, drain}, return_when=asyncio.FIRST_COMPLETED)
            self.check_serving()
            return await task
        finally:
            task.cancel()
            drain.cancel()
            await asyncio.gather(task, drain, return_exceptions=True)

    def begin_stream(self, run: StreamRun) -> None:
        """A stream that a drain stops and waits for."""
        self._streams.add(run)

    def end_stream(self, run: StreamRun) -> None:
        """It has ended."""
        self._streams.discard(run)
        self._something_ended.set()

    def begin_clip(self, session_id: str) -> None:
        """A clip's session: between two of its frames nothing is in flight, and still a drain waits for it."""
        self._clips.add(session_id)

    def end_session(self, session_id: str) -> None:
        """A session that was closed, perhaps a clip's."""
        self._clips.discard(session_id)
        self._something_ended.set()

    async def streams_and_clips_end(self) -> None:
        """Take no more frames from streams; return when these and all clips have ended."""
        for run in self._streams:
            run.stop()
        while self._streams or self._clips:
            self._something_ended.clear()
            await self._something_ended.wait()
