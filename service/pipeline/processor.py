"""The end of every frame: a result that is stored, whether it was computed or failed; or an error that is raised.

The same in a process that does everything, in a frontend and in a worker; what differs is the `FrameExecutor` inside.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from model.skeletons import Skeleton
from service.contract.messages import FrameResult
from service.errors import KineposeError, StaleCommit
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest, failed, to_client_error, with_location
from service.sessions.store import SessionStore

log = logging.getLogger(__name__)


Turn = Callable[[], Awaitable[None]]
"""Returns when the session's frame before this one has ended. Raises SeqOutOfOrder where that one spent no seq."""


class FrameExecutor(Protocol):
    """What computes frames: here, or behind a queue."""

    async def result(self, request: FrameRequest, turn: Turn) -> FrameResult:
        """A frame's answer, committed. Raises what keeps it from being computed."""
        ...

    def live(self) -> bool:
        """False once only a new process helps."""
        ...

    async def ready(self) -> bool:
        """True where a frame would be computed now."""
        ...

    async def start(self) -> None:
        """Take work."""
        ...

    def drain(self) -> None:
        """Not ready any more; what is at work goes on."""
        ...

    async def aclose(self) -> None:
        """End, with all that waits."""
        ...


class FrameProcessor:
    """Brings frames to their ends.

    Args:
        executor: what computes them.
        store: where a failed frame's answer is kept.
        skeleton: what answers say of their joints.
        metrics: measures how long the store took.
    """

    def __init__(self, executor: FrameExecutor, store: SessionStore, skeleton: Skeleton, metrics: Metrics) -> None:
        self._executor = executor
        self._store = store
        self._skeleton = skeleton
        self._metrics = metrics

    async def process(self, request: FrameRequest, turn: Turn) -> FrameResult:
        """The frame's answer; its seq is spent then. An error that leaves the seq open is raised."""
        try:
            if request.early_error is not None:
                raise request.early_error
            with tracing.span("frame", session_id=request.session_id, seq=request.seq, transport=request.transport):
                return await self._executor.result(request, turn)
        except Exception as raised:
            error = with_location(to_client_error(raised, request), request)
            if not request.consumes_seq(error):
                raise error from raised
            return await self._spend(request, turn, error)

    async def _spend(self, request: FrameRequest, turn: Turn, error: KineposeError) -> FrameResult:
        """A frame that ended without a new state: its answer is kept for replay, the state stays."""
        await turn()
        try:
            return await self._kept(request, error)
        except StaleCommit:  # The hot state was old, or another worker was faster.
            return await self._kept(request, error)

    async def _kept(self, request: FrameRequest, error: KineposeError) -> FrameResult:
        with self._metrics.state_io("checkout"):
            start = await self._store.checkout(request.session_id, request.seq)
        if start.replay is not None:
            return start.replay
        result = failed(request, error, start.meta.model, self._skeleton)
        with self._metrics.state_io("spend"):
            await self._store.spend(request.session_id, start.version, result, request.delivery)
        log.info("session %s frame %d: %s", request.session_id, request.seq, error.code)
        return result
