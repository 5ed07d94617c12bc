"""What the transports share: settings, pipeline and clip jobs of the one server they belong to."""

from dataclasses import dataclass, field
from typing import Final, Protocol

from service.auth.access import Quota
from service.auth.api_keys import KeyRing
from service.clips.jobs import ClipJobs
from service.config import Settings
from service.errors import ServerBusy
from service.observability.metrics import Metrics
from service.pipeline.lifecycle import Lifecycle
from service.pipeline.pipeline import Pipeline
from service.webhooks.deliveries import Webhooks

MOST_SMOOTHED: Final = 100_000
"""People of frames of one clip that are made smooth together: an hour of one person at 25 frames a second."""


class GrpcHealth(Protocol):
    """What tells watchers of gRPC health that the server goes."""

    async def enter_graceful_shutdown(self) -> None:
        """NOT_SERVING from now on."""
        ...


@dataclass
class Services:
    """One server's parts; `operations.Probed` of a frontend.

    Attributes:
        keys: who may call.
        calls: under way, of all transports.
        webhooks: what tells that clip jobs have finished.
        smoothing: people of frames, of clips whose joints are made smooth together; each takes about 1 KB.
    """

    settings: Settings
    pipeline: Pipeline
    jobs: ClipJobs
    webhooks: Webhooks
    grpc_health: GrpcHealth | None = None
    keys: KeyRing = field(init=False)
    calls: Quota = field(init=False)
    smoothing: Quota = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.keys = KeyRing(settings.api_keys_file, self.pipeline.metrics, settings.max_sessions_per_key)
        self.calls = Quota("calls", settings.limit_concurrency, settings.max_calls_per_key, full=ServerBusy)
        self.smoothing = Quota("people of frames that are made smooth", 2 * MOST_SMOOTHED, MOST_SMOOTHED)

    @property
    def metrics(self) -> Metrics:
        """What /metrics shows."""
        return self.pipeline.metrics

    @property
    def lifecycle(self) -> Lifecycle:
        """Whether it serves."""
        return self.pipeline.lifecycle

    async def drain(self) -> None:
        """Not ready any more; refuse what is new; wait for what was accepted, at most the grace period."""
        self.lifecycle.begin_drain()
        if self.grpc_health is not None:
            await self.grpc_health.enter_graceful_shutdown()
        await self.pipeline.drain()
