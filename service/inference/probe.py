"""Alive and ready, as probes ask for it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from model.tracker import TrackRequest
from service.errors import KineposeError
from service.inference.batcher import FrameQueue
from service.inference.device_loop import PROBE_REGION, DeviceLoop, probe_frame
from service.pipeline.request import Priority

log = logging.getLogger(__name__)

FRESH_S = 1.0
PROBE_SESSION = "(readiness probe)"
"""No client can create a session of this name."""


class HealthProbe:
    """Answers probes.

    Args:
        device_loops, queue: what is probed.
        timeout_s: a forward pass that takes longer counts as failed.
        clock: seconds; the same one as the device loop's.
    """

    def __init__(
        self,
        device_loops: Sequence[DeviceLoop],
        queue: FrameQueue,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device_loops = device_loops
        self._queue = queue
        self._timeout_s = timeout_s
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._failed_at = -float("inf")

    def live(self) -> bool:
        """False once the worker has lost its device: only a new process helps."""
        return all(loop.alive for loop in self._device_loops)

    async def ready(self) -> bool:
        """True where no batch hangs, and the worker computed one within the last second or computes a probe now."""
        async with self._one_at_a_time:
            if not self.live() or any(self._hangs(loop) for loop in self._device_loops):
                return False
            if self._clock() - max(loop.last_success for loop in self._device_loops) < FRESH_S:
                return True
            if self._clock() - self._failed_at < FRESH_S:
                return False
            return await self._forward_pass()

    def _hangs(self, loop: DeviceLoop) -> bool:
        return loop.batch_since is not None and self._clock() - loop.batch_since > self._timeout_s

    async def _forward_pass(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                request = TrackRequest(probe_frame(), 0, regions=(PROBE_REGION,))
                await self._queue.submit(PROBE_SESSION, request, Priority.LIVE)
        except (KineposeError, TimeoutError) as error:
            log.warning("not ready: the probe's forward pass failed: %r", error)
            self._failed_at = self._clock()
            return False
        return True
