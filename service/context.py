"""What the transports share: settings, pipeline and clip jobs of the one server they belong to."""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection

from service.clip_jobs import ClipJobs
from service.config import Settings
from service.pipeline import Pipeline


class Readiness(Protocol):
    """What tells watchers of gRPC health that the server goes."""

    async def enter_graceful_shutdown(self) -> None:
        """NOT_SERVING from now on."""
        ...


@dataclass
class Services:
    """One server's parts. `draining` turns true once, when the server begins to shut down."""

    settings: Settings
    pipeline: Pipeline
    jobs: ClipJobs
    readiness: Readiness | None = None
    draining: bool = False

    async def drain(self) -> None:
        """Not ready any more; refuse what is new; wait for what was accepted, at most the grace period."""
        self.draining = self.jobs.draining = True
        if self.readiness is not None:
            await self.readiness.enter_graceful_shutdown()
        await self.pipeline.drain()


def services_of(connection: HTTPConnection) -> Services:
    """The parts that the app's lifespan opened."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


ServicesOf = Annotated[Services, Depends(services_of)]
