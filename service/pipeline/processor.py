"""The end of every frame: a result that is stored, whether it was computed or failed; or an error that is told.

The same in a process that does everything, in a frontend and in a worker; what differs is the `Compute` inside.
"""

import logging
from typing import Protocol

from model.skeletons import Skeleton
from service.contract.messages import FrameResult
from service.errors import KineposeError, StaleCommit
from service.inference.executor import Turn
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.request import Job, failed, placed, told
from service.sessions.store import SessionStore

log = logging.getLogger(__name__)


class Compute(Protocol):
    """What computes frames: here, or behind a queue."""

    async def result(self, job: Job, turn: Turn) -> FrameResult:
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


class FrameWay:
    """Brings frames to their ends.

    Args:
        compute: what computes them.
        store: where a failed frame's answer is kept.
        skeleton: what answers say of their joints.
        metrics: told how long the store took.
    """

    def __init__(self, compute: Compute, store: SessionStore, skeleton: Skeleton, metrics: Metrics) -> None:
        self._compute = compute
        self._store = store
        self._skeleton = skeleton
        self._metrics = metrics

    async def end_of(self, job: Job, turn: Turn) -> FrameResult:
        """The frame's answer; its seq is spent then. An error that leaves the seq open is raised."""
        try:
            if job.verdict is not None:
                raise job.verdict
            with tracing.span("frame", session_id=job.session_id, seq=job.seq, transport=job.transport):
                return await self._compute.result(job, turn)
        except Exception as raised:
            error = placed(told(raised, job), job)
            if not job.spends(error):
                raise error from raised
            return await self._spend(job, turn, error)

    async def _spend(self, job: Job, turn: Turn, error: KineposeError) -> FrameResult:
        """A frame that ended without a new state: its answer is kept for replay, the state stays."""
        await turn()
        try:
            return await self._kept(job, error)
        except StaleCommit:  # The hot state was old, or another worker was faster.
            return await self._kept(job, error)

    async def _kept(self, job: Job, error: KineposeError) -> FrameResult:
        with self._metrics.state_io("checkout"):
            start = await self._store.checkout(job.session_id, job.seq)
        if start.replay is not None:
            return start.replay
        result = failed(job, error, start.meta.model, self._skeleton)
        with self._metrics.state_io("spend"):
            await self._store.spend(job.session_id, start.version, result, job.delivery)
        log.info("session %s frame %d: %s", job.session_id, job.seq, error.code)
        return result
