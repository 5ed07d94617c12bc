"""Composition root: one server of HTTP and gRPC in one event loop, over one pipeline.

    create_app(settings)     the FastAPI app; its lifespan opens pipeline, clip jobs and gRPC, and closes them
    RunningServer(settings)  that app under uvicorn on chosen or free ports, as an async context manager
    serve(settings)          a RunningServer until SIGTERM or SIGINT: refuse what is new, finish what is begun

uvicorn re-raises a signal that it caught, so that code after it never runs: signals are handled here.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from service import grpc_api, rest, rest_clips, websocket
from service.clip_jobs import ClipJobs
from service.config import Settings
from service.context import Services
from service.http import install_error_handlers
from service.pipeline import open_pipeline

# Of the HTTP interface, told in its OpenAPI document.
API_VERSION = "1.0"
# How long answers that are complete may take to reach their clients once the server has drained.
LAST_WORDS_S = 5
# A silent peer is asked for a sign of life this often.
KEEPALIVE_S = 30
# Messages of a WebSocket: a picture, as in gRPC.
OVERHEAD_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class StartFailed(RuntimeError):
    """The server could not start; the cause tells why."""


def create_app(settings: Settings) -> FastAPI:
    """The app. `app.state.services` and `app.state.grpc_port` are set while its lifespan lasts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # uvicorn logs an error in here and swallows it: RunningServer raises it again.
        app.state.failure = None
        try:
            async with AsyncExitStack() as stack:
                await _open(app, settings, stack)
                yield
        except Exception as error:
            app.state.failure = error
            raise

    app = FastAPI(
        title="Kinepose",
        summary="Human joints from video, one person a session.",
        version=API_VERSION,
        lifespan=lifespan,
    )
    for router in (rest.router, rest.operation, rest_clips.router, websocket.router):
        app.include_router(router)
    install_error_handlers(app)
    return app


async def _open(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> None:
    pipeline = await stack.enter_async_context(open_pipeline(settings))
    jobs = await stack.enter_async_context(ClipJobs(pipeline, settings))
    services = Services(settings, pipeline, jobs)
    app.state.services = services
    app.state.grpc_port, services.readiness = await stack.enter_async_context(grpc_api.serving(services))


class _Server(uvicorn.Server):
    """uvicorn that leaves signals alone and tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the business of `serve`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self.up.set()


class RunningServer:
    """A server on its ports: `async with RunningServer(settings) as server`. Leaving drains and stops it.

    Attributes:
        http_port, grpc_port: the ports it listens on, chosen by the kernel where the settings say 0.

    Raises, on entering:
        StartFailed: the model does not load, a port is taken, ...; the cause tells which.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.http_port = 0
        self.grpc_port = 0
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP interface."""
        return f"http://{self.settings.host}:{self.http_port}"

    @property
    def grpc_target(self) -> str:
        """Target of a gRPC channel."""
        return f"{self.settings.host}:{self.grpc_port}"

    @property
    def services(self) -> Services:
        """The parts inside."""
        services = self.app.state.services
        assert isinstance(services, Services)
        return services

    async def __aenter__(self) -> Self:
        listener = _listen(self.settings.host, self.settings.http_port)
        self.http_port = listener.getsockname()[1]
        self._server = server = _Server(self._config())
        self._task = asyncio.create_task(self._run(server, listener), name="kinepose-http")
        started = asyncio.create_task(server.up.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if not server.started:
            await self._task
            cause = self.app.state.failure
            raise StartFailed(f"the server did not start: {cause}") from cause
        self.grpc_port = self.app.state.grpc_port
        return self

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.app,
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=self.settings.max_image_bytes + OVERHEAD_BYTES,
            ws_per_message_deflate=False,  # pictures are compressed already
            # A pong waits behind the frames of a stream that is held back; TCP finds dead peers instead.
            ws_ping_interval=None,
            ws_ping_timeout=None,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=LAST_WORDS_S,
        )

    async def _run(self, server: _Server, listener: socket.socket) -> None:
        with listener, contextlib.suppress(SystemExit):  # uvicorn's way to say that the lifespan failed
            await server.serve(sockets=[listener])

    async def drain(self) -> None:
        """Not ready any more; refuse what is new; wait for what was accepted, at most the grace period."""
        await self.services.drain()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._task is not None
        await self.drain()
        self._server.should_exit = True
        await self._task


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # inherited by connections
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartFailed(f"cannot listen for HTTP on {host}:{port}: {error.strerror}") from error
    return listener


async def serve(settings: Settings) -> None:
    """Run a server until SIGTERM or SIGINT, then drain it and return. StartFailed as for RunningServer."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with RunningServer(settings) as server:
            log.info("ready: HTTP on %s, gRPC on %s", server.http_url, server.grpc_target)
            await stop.wait()
            log.info("draining")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
