"""`kinepose serve`: one server of HTTP and gRPC in one event loop, over one pipeline.

create_app(settings)     the FastAPI app; its lifespan opens pipeline, clip jobs and gRPC, and closes them
RunningServer(settings)  that app on chosen or free ports, as an async context manager
serve(settings)          a RunningServer until SIGTERM or SIGINT: refuse what is new, finish what is begun
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from fastapi import FastAPI

from service.clips.jobs import ClipJobs
from service.config import Settings
from service.errors import ClipUnknown
from service.processes.wiring import open_clip_relay, open_pipeline
from service.transports.grpc import servicer
from service.transports.http import clips, cors, images, operations, page, sessions, websocket
from service.transports.http.auth import ApiKeyMiddleware
from service.transports.http.errors import install_error_handlers
from service.transports.http.server import HttpServer, until_signal
from service.transports.services import Services
from service.webhooks.deliveries import open_webhooks

# Of the HTTP interface, stated in its OpenAPI document.
API_VERSION = "1.0"

log = logging.getLogger(__name__)


def create_app(settings: Settings, http_port: Callable[[], int] | None = None) -> FastAPI:
    """The app. `app.state.services` and `app.state.grpc_port` are set while its lifespan lasts.

    Args:
        settings: of the server.
        http_port: tells in the lifespan which port the server listens on; without it, the one of the settings.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # uvicorn logs an error in here and swallows it: HttpServer raises it again.
        app.state.failure = None
        try:
            async with AsyncExitStack() as stack:
                await _open(app, settings, http_port() if http_port else settings.http_port, stack)
                yield
        except Exception as error:
            app.state.failure = error
            raise

    app = FastAPI(
        title="Kinepose",
        summary="Human joints from video, one video a session.",
        version=API_VERSION,
        lifespan=lifespan,
        webhooks=clips.webhooks,
        docs_url=None,  # FastAPI's own load their scripts from elsewhere.
        redoc_url=None,
    )
    for router in (sessions.router, operations.router, clips.router, images.router, websocket.router, page.router):
        app.include_router(router)
    app.add_middleware(ApiKeyMiddleware)
    cors.install(app, settings)
    install_error_handlers(app)
    app.add_exception_handler(ClipUnknown, clips.on_clip_unknown)
    return app


async def _open(app: FastAPI, settings: Settings, http_port: int, stack: AsyncExitStack) -> None:
    pipeline = await stack.enter_async_context(open_pipeline(settings))
    relay = await stack.enter_async_context(open_clip_relay(settings, http_port))
    # Closed after the jobs, which still tell of their end then.
    webhooks = await stack.enter_async_context(open_webhooks(settings, pipeline.metrics))
    jobs = await stack.enter_async_context(ClipJobs(pipeline, settings, relay.places if relay else None))
    services = Services(settings, pipeline, jobs, webhooks)
    app.state.clip_relay = relay
    app.state.services = app.state.probed = services
    app.state.grpc_port, services.grpc_health = await stack.enter_async_context(servicer.serving(services))


class RunningServer:
    """A server on its ports: `async with RunningServer(settings) as server`. Leaving drains and stops it.

    Attributes:
        http_port, grpc_port: the ports it listens on, chosen by the kernel where the settings say 0.

    Raises, on entering:
        StartFailed: the model does not load, a port is taken, ...; the cause tells which.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings, lambda: self.http_port)
        self.grpc_port = 0
        self._http = HttpServer(self.app, settings)

    @property
    def http_port(self) -> int:
        """See the class."""
        return self._http.port

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP interface."""
        return self._http.url

    @property
    def grpc_target(self) -> str:
        """Target of a gRPC channel."""
        return self.settings.address(self.grpc_port)

    @property
    def services(self) -> Services:
        """The parts inside."""
        services = self.app.state.services
        assert isinstance(services, Services)
        return services

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        self.grpc_port = self.app.state.grpc_port
        return self

    async def drain(self) -> None:
        """Not ready any more; refuse what is new; wait for what was accepted, at most the grace period."""
        await self.services.drain()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()
        await self._http.__aexit__(kind, error, trace)


async def serve(settings: Settings) -> None:
    """Run a server until SIGTERM or SIGINT, then drain it and return. StartFailed as for RunningServer."""
    stop = asyncio.create_task(until_signal())
    async with RunningServer(settings) as server:
        log.info("ready: HTTP on %s, gRPC on %s", server.http_url, server.grpc_target)
        await stop
        log.info("draining")
