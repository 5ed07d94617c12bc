"""The loop that computes: takes micro-batches, runs them in the device's one thread, answers every frame."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from model.engines.base import EngineError
from model.tracker import FrameSizeMismatch, RegionOutside, Tracked, TrackRequest
from model.values import Frame, Region
from service.errors import BadRegion, DeviceLost, FrameSizeChanged, KineposeError, WorkerFailed
from service.inference.batcher import Batcher
from service.inference.queue import FrameQueue, WorkItem
from service.observability.metrics import Metrics

log = logging.getLogger(__name__)

RETRY_AFTER_FAILURE_MS = 1000
WARM_UP_SIZE = 256


class Stepper(Protocol):
    """What a worker computes with; `model.tracker.Tracker` is one."""

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """One answer a request, in order. Blocks. Raises EngineError where the device failed."""
        ...


class WarmUpFailed(RuntimeError):
    """The model does not compute on this device; the start fails."""


class DeviceLoop:
    """Computes what a queue holds, until stopped or until its device is lost.

    `alive` turns False for good after a sticky device failure: then the queue is closed, so that every
    waiting frame and every later one is answered with WorkerFailed at once.
    """

    def __init__(
        self,
        stepper: Stepper,
        queue: FrameQueue,
        batcher: Batcher,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stepper = stepper
        self._queue = queue
        self._batcher = batcher
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kinepose-device")
        self.alive = True
        self.last_success = -float("inf")
        """When a batch last came through, on `clock`."""

    async def warm_up(self, max_batch: int) -> None:
        """Compute fresh and continuing frames in batches of 1, 2, 4 .. max_batch.

        Raises:
            WarmUpFailed: some frame did not come through.
        """
        size = 1
        while size <= max_batch:
            states = await self._warm([TrackRequest(probe_frame(), 0, region=PROBE_REGION)] * size)
            await self._warm([TrackRequest(probe_frame(), 1, state=tracked.state) for tracked in states])
            size = max_batch if size < max_batch < 2 * size else 2 * size

    async def _warm(self, requests: list[TrackRequest]) -> list[Tracked]:
        answers = await self._step(requests)
        if not isinstance(answers, list):
            raise WarmUpFailed(f"the model fails on a batch of {len(requests)}: {answers}") from answers
        for answer in answers:
            if isinstance(answer, Exception):
                raise WarmUpFailed(f"the model fails on a plain frame: {answer}") from answer
        return [answer for answer in answers if not isinstance(answer, Exception)]

    async def run(self) -> None:
        """Work until cancelled, or until the device is lost."""
        batch: list[WorkItem] = []
        try:
            while self.alive:
                batch = await self._batcher.next_batch()
                self._observe(batch)
                await self._compute(batch)
        except Exception:
            log.critical("a bug in the worker's loop, the worker ends", exc_info=True)
        finally:
            # Whatever ends the loop, nobody is left waiting.
            self.alive = False
            _fail(batch, None, DeviceLost)
            self._queue.close(DeviceLost("the worker has ended", retry_after_ms=RETRY_AFTER_FAILURE_MS))

    async def close(self) -> None:
        """Let the device thread end, after the batch it is in. Call when `run` has ended."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    def _observe(self, batch: list[WorkItem]) -> None:
        now = time.perf_counter()
        for item in batch:
            self._metrics.queue_duration.observe(now - item.queued_at)
        self._metrics.batch_size.observe(len(batch))

    async def _compute(self, batch: list[WorkItem]) -> None:
        begin = time.perf_counter()
        answers = await self._step([item.request for item in batch])
        self._metrics.compute_duration.labels("step").observe(time.perf_counter() - begin)
        if isinstance(answers, list):
            self.last_success = self._clock()
            for item, answer in zip(batch, answers, strict=True):
                item.answer(_to_answer(answer, item))
        elif _is_lost(answers):
            log.critical("the device is lost, the worker ends", exc_info=answers)
            self.alive = False
            _fail(batch, answers, DeviceLost)
        elif isinstance(answers, EngineError):
            log.error("the device failed on a batch of %d", len(batch), exc_info=answers)
            _fail(batch, answers, WorkerFailed)
        else:
            await self._find_culprit(batch, answers)

    async def _find_culprit(self, batch: list[WorkItem], error: BaseException) -> None:
        """A bug met the whole batch: each frame alone, so that only the one that causes it fails."""
        if len(batch) == 1:
            batch[0].answer(_bug(batch[0], error))
            return
        for item in batch:
            if self.alive and not item.reply.done():
                await self._compute([item])

    async def _step(self, requests: list[TrackRequest]) -> list[Tracked | Exception] | BaseException:
        """The answers, or what was raised: as a value, since a SystemExit must not end the event loop."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, _guarded_step, self._stepper, requests)
        return await work


PROBE_REGION = Region(96, 32, 64, 192)


def probe_frame() -> Frame:
    """A plain grey picture: what warm-up and readiness compute."""
    return Frame(np.full((WARM_UP_SIZE, WARM_UP_SIZE, 3), 128, np.uint8))


def _guarded_step(stepper: Stepper, requests: list[TrackRequest]) -> list[Tracked | Exception] | BaseException:
    try:
        answers = stepper.step(requests)
        if len(answers) != len(requests):
            raise RuntimeError(f"the tracker gave {len(answers)} answers to {len(requests)} requests")
        return answers
    except BaseException as error:
        return error


def _is_lost(error: BaseException) -> bool:
    # An exit raised in the device thread is as final as a device that says so itself.
    return error.sticky if isinstance(error, EngineError) else not isinstance(error, Exception)


def _fail(batch: list[WorkItem], error: BaseException | None, kind: type[WorkerFailed]) -> None:
    for item in batch:
        failure = kind("the device failed", item.session_id, item.request.seq, retry_after_ms=RETRY_AFTER_FAILURE_MS)
        failure.__cause__ = error
        item.answer(failure)


def _to_answer(answer: Tracked | Exception, item: WorkItem) -> Tracked | Exception:
    """The tracker's answer for one frame, its errors as clients see them."""
    match answer:
        case Tracked() | KineposeError():
            return answer
        case FrameSizeMismatch():
            return FrameSizeChanged(str(answer), item.session_id, item.request.seq)
        case RegionOutside():
            return BadRegion(str(answer), item.session_id, item.request.seq)
        case _:
            return _bug(item, answer)


def _bug(item: WorkItem, error: BaseException) -> KineposeError:
    log.error("session %s frame %d: a bug", item.session_id, item.request.seq, exc_info=error)
    return KineposeError("an internal error, logged by the server", item.session_id, item.request.seq)
