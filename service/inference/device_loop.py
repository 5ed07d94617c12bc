"""The loop that computes: pass after pass over the frames under way, in a thread of the device.

An ordinary frame is one pass. One in which the person is looked for first takes several; between them the loop takes in
what has come meanwhile, and gives up what nobody waits for any more. So a search delays no other frame by more than a
batch (`inference.batcher`), and a deadline that passes ends it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np

from model.engines.base import EngineError
from model.passes import FrameWork
from model.tracker import FrameSizeMismatch, RegionOutside, TooManyRegions, Tracked, TrackRequest
from model.values import Frame, Region
from service.errors import BadRegion, DeviceLost, FrameSizeChanged, KineposeError, WorkerFailed
from service.inference.batcher import Batcher, FrameQueue, Job, WorkItem
from service.observability.metrics import Metrics

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_AFTER_FAILURE_MS = 1000
WARM_UP_SIZE = 256


class Stepper(Protocol):
    """What a worker computes with; `model.tracker.Tracker` is one. Every method blocks."""

    def begin(self, request: TrackRequest) -> FrameWork[Tracked]:
        """Start on a frame, up to its first pass."""
        ...

    def advance(self, parts: list[tuple[FrameWork[Tracked], int]]) -> None:
        """Read at most so many inputs of each of them, none of which is done, in one pass.

        Raises EngineError where the device failed.
        """
        ...

    def step(self, requests: list[TrackRequest]) -> list[Tracked | Exception]:
        """One answer a request, in order: all passes at once. Raises EngineError where the device failed."""
        ...


class WarmUpFailed(RuntimeError):
    """The model does not compute on this device; the start fails."""


class DeviceLoop:
    """Computes what a queue holds, until stopped or until its device is lost. Several may share a queue and a batcher.

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
        self._jobs: list[Job] = []
        self.alive = True
        self.last_success = -float("inf")
        """When a batch last came through, on `clock`."""
        self.batch_since: float | None = None
        """Since when it has been at its present batch, on `clock`; None while it waits for work."""

    async def warm_up(self, max_batch: int) -> None:
        """Compute fresh and continuing frames in batches of 1, 2, 4 .. max_batch.

        Raises:
            WarmUpFailed: some frame did not come through.
        """
        size = 1
        while size <= max_batch:
            states = await self._warm([TrackRequest(probe_frame(), 0, regions=(PROBE_REGION,))] * size)
            await self._warm([TrackRequest(probe_frame(), 1, state=tracked.state) for tracked in states])
            size = max_batch if size < max_batch < 2 * size else 2 * size

    async def _warm(self, requests: list[TrackRequest]) -> list[Tracked]:
        answers = await self._on_device(lambda: self._stepper.step(requests))
        if not isinstance(answers, list):
            raise WarmUpFailed(f"the model fails on a batch of {len(requests)}: {answers}") from answers
        for answer in answers:
            if isinstance(answer, Exception):
                raise WarmUpFailed(f"the model fails on a plain frame: {answer}") from answer
        return [answer for answer in answers if not isinstance(answer, Exception)]

    async def run(self) -> None:
        """Work until cancelled, or until the device is lost."""
        try:
            while self.alive:
                await self._take_in()
                await self._pass(self._jobs)
                self._jobs = [job for job in self._jobs if not job.item.reply.done()]
        except Exception:
            log.critical("a bug in the worker's loop, the worker ends", exc_info=True)
        finally:
            # Whatever ends the loop, nobody is left waiting.
            self.alive = False
            _fail(self._jobs, None, DeviceLost)
            self._queue.close(DeviceLost("the worker has ended", retry_after_ms=RETRY_AFTER_FAILURE_MS))

    async def close(self) -> None:
        """Let the device thread end, after the batch it is in. Call when `run` has ended."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def _take_in(self) -> None:
        """New frames, behind those under way; waits for some where nothing is."""
        if self._jobs:
            new = self._batcher.more_frames(self._jobs)
        else:
            new = await self._batcher.next_frames()
        self._jobs += map(Job, new)

    async def _pass(self, jobs: list[Job]) -> None:
        """One batch of these frames' inputs; answers those frames that it brings to their end."""
        begin = time.perf_counter()
        batch: dict[Job, int] = {}
        self.batch_since = self._clock()
        error = await self._on_device(lambda: self._advance(jobs, batch))
        self.batch_since = None
        self._metrics.batch_size.observe(sum(batch.values()))
        self._metrics.compute_duration.labels("step").observe(time.perf_counter() - begin)
        for job in batch:
            if not job.inputs_read:
                self._metrics.queue_duration.observe(begin - job.item.queued_at)
            job.inputs_read += batch[job]
        if error is not None:
            await self._failed(list(batch) or jobs, error)
            return
        self.last_success = self._clock()
        for job in jobs:
            if job.work is not None and job.work.done:
                job.item.answer(_to_answer(job.work.answer(), job.item))
        # Live frames are brought to their end one after the other; the background takes turns.
        jobs.sort(key=lambda job: job in batch and not job.inputs_due)

    def _advance(self, jobs: list[Job], batch: dict[Job, int]) -> None:
        """In the device's thread: choose the batch, and one pass for it."""
        batch |= self._batcher.next_batch(jobs, self._stepper.begin)
        if batch:
            self._stepper.advance([(job.work, inputs) for job, inputs in batch.items() if job.work is not None])

    async def _failed(self, batch: list[Job], error: BaseException) -> None:
        if _is_lost(error):
            log.critical("the device is lost, the worker ends", exc_info=error)
            self.alive = False
            _fail(self._jobs, error, DeviceLost)
        elif isinstance(error, EngineError):
            log.error("the device failed on a batch of %d", len(batch), exc_info=error)
            _fail(batch, error, WorkerFailed)
        elif len(batch) == 1:
            batch[0].item.answer(_bug(batch[0].item, error))
        else:
            # A bug met the whole batch: each frame alone, so that only the one that causes it fails.
            for job in batch:
                if self.alive and not job.item.reply.done():
                    await self._pass([job])

    async def _on_device(self, work: Callable[[], T]) -> T | BaseException:
        """What it returns, or what it raises: as a value, since a SystemExit must not end the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _guarded, work)


PROBE_REGION = Region(96, 32, 64, 192)


def probe_frame() -> Frame:
    """A plain grey picture: what warm-up and readiness compute."""
    return Frame(np.full((WARM_UP_SIZE, WARM_UP_SIZE, 3), 128, np.uint8))


def _guarded(work: Callable[[], T]) -> T | BaseException:
    try:
        return work()
    except BaseException as error:
        return error


def _is_lost(error: BaseException) -> bool:
    # An exit raised in the device thread is as final as a device that says so itself.
    return error.sticky if isinstance(error, EngineError) else not isinstance(error, Exception)


def _fail(jobs: list[Job], error: BaseException | None, kind: type[WorkerFailed]) -> None:
    for item in (job.item for job in jobs):
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
        case RegionOutside() | TooManyRegions():
            return BadRegion(str(answer), item.session_id, item.request.seq)
        case _:
            return _bug(item, answer)


def _bug(item: WorkItem, error: BaseException) -> KineposeError:
    log.error("session %s frame %d: a bug", item.session_id, item.request.seq, exc_info=error)
    return KineposeError(session_id=item.session_id, seq=item.request.seq)
