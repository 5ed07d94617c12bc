"""What a server is inside: its sessions, their frames, its life."""

import asyncio
import logging

from model.cards import ModelCard
from model.skeletons import SKELETONS
from service.auth.access import Quota, RateLimits
from service.config import Settings
from service.contract.messages import ModelInfo
from service.observability.metrics import Metrics
from service.pipeline.frames import Frames
from service.pipeline.lifecycle import Lifecycle
from service.pipeline.processor import FrameExecutor, FrameProcessor
from service.pipeline.sequencer import Sequencer
from service.pipeline.sessions import Sessions
from service.sessions.store import SessionStore

log = logging.getLogger(__name__)


class Pipeline:
    """The parts, put together. Belongs to one event loop; use it between `start` and `aclose`.

    Args:
        settings: limits.
        card: of the model that is served.
        executor: what computes frames, in this process or in workers.
        store: where sessions are kept.
        metrics: its own unless given.
        rate_limits: what an API key may ask for.
        hold_keepalive_s: see `Sequencer`; spares a store outside the process a hold and a release a frame.

    Attributes:
        sessions, frames, lifecycle: the parts.
        settings, card, executor: as given.
        metrics: as given; `metrics.registry` is what /metrics shows.
        rate_limits: as given.
        incoming: bytes of pictures in memory, of all callers.
    """

    def __init__(
        self,
        settings: Settings,
        card: ModelCard,
        executor: FrameExecutor,
        store: SessionStore,
        *,
        metrics: Metrics | None = None,
        rate_limits: RateLimits | None = None,
        hold_keepalive_s: float = 0.0,
    ) -> None:
        self.settings, self.card, self.executor = settings, card, executor
        self.metrics = metrics = metrics or Metrics()
        self.incoming = Quota("bytes of pictures", settings.max_incoming_bytes, settings.max_incoming_bytes_per_key)
        self.rate_limits = rates = rate_limits or RateLimits.of(settings, metrics)
        model, skeleton = ModelInfo(card.name, card.version, card.sha256), SKELETONS[card.skeleton]
        processor = FrameProcessor(executor, store, skeleton, metrics)
        self._sequencer = sequencer = Sequencer(store, processor, settings, metrics, hold_keepalive_s)
        self.lifecycle = life = Lifecycle(executor, store)
        self.sessions = Sessions(settings, model, store, sequencer, life, rates, metrics)
        self.frames = Frames(settings, model, skeleton, self.sessions, sequencer, life, rates, metrics, self.incoming)
        metrics.sessions_limit.set(settings.max_sessions)

    async def start(self) -> None:
        """Take work. Raises WarmUpFailed."""
        await self.executor.start()

    async def drain(self) -> None:
        """Refuse what is new and finish what was accepted; after `drain_grace_s` the rest is cancelled."""
        self.lifecycle.begin_drain()
        try:
            async with asyncio.timeout(self.settings.drain_grace_s):
                await self.lifecycle.streams_and_clips_end()
                await self._sequencer.idle()
        except TimeoutError:
            log.warning("the grace period is over with %d frames in flight", self._sequencer.cancel_all())

    async def aclose(self) -> None:
        """End all that still waits, and what computes it."""
        self.lifecycle.begin_drain()
        self._sequencer.cancel_all()
        await self.executor.aclose()
        await self._sequencer.aclose()
