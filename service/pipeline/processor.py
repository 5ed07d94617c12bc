"""The end of every frame: a result that is stored, whether it was computed or failed; or an error that is raised.

The same in a process that does everything, in a frontend and in a worker; what differs is the `FrameExecutor` inside.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from model.skeletons import Skeleton
from model.values import Frame
from service import errors
from service.contract.messages import FrameResult, ModelInfo, Outcome
from service.errors import DeadlinePassed, FrameDropped, KineposeError, StaleCommit
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest, with_location
from service.sessions.store import SessionStore

if TYPE_CHECKING:
    from model.tracker import Tracked  # it brings torch, which a frontend does without

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
        with self._metrics.state_io.labels("checkout").time():
            start = await self._store.checkout(request.session_id, request.seq)
        if start.replay is not None:
            return start.replay
        result = failed(request, error, start.meta.model, self._skeleton)
        with self._metrics.state_io.labels("spend").time():
            await self._store.spend(request.session_id, start.version, result, request.delivery)
        log.info("session %s frame %d: %s", request.session_id, request.seq, error.code)
        return result


def computed(
    request: FrameRequest, frame: Frame, tracked: "Tracked", model: ModelInfo, skeleton: Skeleton
) -> FrameResult:
    """The answer for a frame that was computed."""
    return FrameResult(
        session_id=request.session_id,
        seq=request.seq,
        pts_us=request.pts_us,
        outcome=Outcome.OK,
        model=model,
        skeleton=skeleton.name,
        joint_names=skeleton.joints,
        image_size=frame.size,
        rotation_applied=frame.rotation_applied,
        people=tracked.people,
        lost=tracked.lost,
    )


def failed(request: FrameRequest, error: KineposeError, model: ModelInfo, skeleton: Skeleton) -> FrameResult:
    """The answer for a frame that ended in an error."""
    return FrameResult(
        session_id=request.session_id,
        seq=request.seq,
        pts_us=request.pts_us,
        outcome=outcome_of(error),
        model=model,
        skeleton=skeleton.name,
        joint_names=skeleton.joints,
        error_code=error.code,
        error_detail=error.detail,
        expected_seq=error.expected_seq,
    )


def outcome_of(error: KineposeError) -> Outcome:
    """How a frame that ended in this error is counted."""
    match error:
        case FrameDropped():
            return Outcome.DROPPED
        case DeadlinePassed():
            return Outcome.EXPIRED
        case _:
            return Outcome.ERROR


def ok_or_raise(result: FrameResult) -> FrameResult:
    """The result, or the error that it tells of, for callers who get errors by exception."""
    if result.outcome is Outcome.OK:
        return result
    kind = errors.BY_CODE.get(result.error_code or "", KineposeError)
    raise kind(result.error_detail or "", result.session_id, result.seq)


def to_client_error(raised: Exception, request: FrameRequest) -> KineposeError:
    """An exception as a client sees it; a bug is logged and becomes `internal`, for this frame only."""
    match raised:
        case KineposeError():
            return raised
        case TimeoutError():
            return DeadlinePassed("the deadline passed before the frame was computed")
        case _:
            log.error("session %s frame %d: a bug", request.session_id, request.seq, exc_info=raised)
            return KineposeError()
