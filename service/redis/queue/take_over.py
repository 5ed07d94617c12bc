"""Frames that dead workers left. One of them may have ended its worker, and would end the next."""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.errors import KineposeError, PoisonFrame
from service.observability.metrics import Metrics
from service.pipeline.processor import FrameExecutor
from service.pipeline.request import FrameRequest
from service.redis.client import raise_if_cancelled
from service.redis.codec import Sent
from service.redis.queue.consumer_group import MOST_DELIVERIES, ConsumerGroup, Left, WorkerRegistry
from service.sessions.store import Delivery

if TYPE_CHECKING:
    from service.redis.queue.consumer import FrameTasks  # which runs this

log = logging.getLogger(__name__)

SUSPECT_S = 5.0
"""Frames at work are waited for as long before others are computed alone; so is each of these."""


@dataclass
class TakeOver:
    """Brings frames of a group to their ends that dead workers left, as long as the executor lives.

    They are computed one after the other, and nothing else meanwhile: where another worker ends, it is known by which
    frame. That one is given to no third.
    """

    group: ConsumerGroup
    registry: WorkerRegistry
    frames: "FrameTasks"
    executor: FrameExecutor
    metrics: Metrics

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, look once a beat."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while self.executor.live() and not stop.done():
                try:
                    await self._look(stop)
                except KineposeError as error:
                    log.debug("nothing can be taken over: %s", error)
                    self.frames.left |= self.group.streams  # Some may be this worker's by now.
                raise_if_cancelled()
                await asyncio.wait({stop}, timeout=self.registry.beat_s)
        finally:
            stop.cancel()

    async def _look(self, stop: "asyncio.Task[bool]") -> None:
        found = await self.group.left(self.group.own(self.registry.own_shards), self.registry.workers)
        if not (found or self.frames.suspects):
            return
        async with self.frames.quarantine():
            while self.frames.suspects and not stop.done():
                await self._alone([self.frames.suspects.popitem()[1]], stop)
            for left in found:
                if stop.done():
                    return
                await self._alone(await self._taken(left), stop)

    async def _alone(self, frames: list[Sent], stop: "asyncio.Task[bool]") -> None:
        if begun := self.frames.begin(frames, suspect=True):
            await asyncio.wait({*begun, stop}, timeout=SUSPECT_S, return_when=asyncio.FIRST_COMPLETED)

    async def _taken(self, left: Left) -> list[Sent]:
        frames = await self.group.take_over(left)
        if left.deliveries >= MOST_DELIVERIES:
            return [_poisoned(sent, left.deliveries) for sent in frames]
        self.metrics.frames_claimed.inc(len(frames))
        return frames


def _poisoned(sent: Sent, deliveries: int) -> Sent:
    request = sent.request
    log.error("session %s frame %d ended %d workers", request.session_id, request.seq, deliveries)
    error = PoisonFrame(f"the frame ended {deliveries} workers and is given to no more")
    return sent._replace(request=replace(request, early_error=error, picture=b""), part=None)


def delivery_of(request: FrameRequest) -> Delivery:
    """How a frame came that came out of a stream."""
    assert request.delivery is not None
    return request.delivery
