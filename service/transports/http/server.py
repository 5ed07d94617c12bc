"""uvicorn on a chosen or free port, started and stopped by the program around it.

uvicorn re-raises a signal that it caught, so that code after it never runs: signals are handled in `until_signal`.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Generator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.config import Settings
from service.transports import tls
from service.transports.http import protocol, websocket_protocol
from service.transports.request_ids import RequestIds

# How long answers that are complete may take to reach their clients once the server has drained.
LAST_WORDS_S = 5
# A silent peer is asked for a sign of life this often.
KEEPALIVE_S = 30
# Messages of a WebSocket: a picture, as in gRPC.
OVERHEAD_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class StartFailed(RuntimeError):
    """The server could not start; the cause tells why."""


class _Server(uvicorn.Server):
    """uvicorn that leaves signals alone and tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the business of `until_signal`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self.up.set()


class HttpServer:
    """An app on its port, as an async context manager. `app.state.failure` is what its lifespan raised, or None.

    Attributes:
        port: chosen by the kernel where the settings say 0.

    Raises, on entering:
        StartFailed: the app's lifespan failed, the port is taken, ...; the cause tells which.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self.port = 0
        self._app = app
        self._settings = settings
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        scheme = "http" if self._settings.tls_cert_file is None else "https"
        return f"{scheme}://{self._settings.address(self.port)}"

    async def __aenter__(self) -> Self:
        listener = _listen(self._settings)
        self.port = listener.getsockname()[1]
        try:
            self._server = server = _Server(self._config())
        except OSError as error:
            listener.close()
            raise StartFailed(f"the certificate or its key cannot be used: {error}") from error
        self._task = asyncio.create_task(self._run(server, listener), name="kinepose-http")
        started = asyncio.create_task(server.up.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if not server.started:
            await self._task
            cause = self._app.state.failure
            raise StartFailed(f"the server did not start: {cause}") from cause
        return self

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            RequestIds(Paths(self._app, self._settings.http_path_prefix)),
            http=protocol.bounded(self._settings),
            ws=websocket_protocol.bounded(self._settings),
            ws_max_size=self._settings.max_image_bytes + OVERHEAD_BYTES,
            ws_per_message_deflate=False,  # pictures are compressed already
            # A pong waits behind the frames of a stream that is held back; TCP finds dead peers instead.
            ws_ping_interval=None,
            ws_ping_timeout=None,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_keep_alive=self._settings.http_keepalive_s,
            timeout_graceful_shutdown=LAST_WORDS_S,
            **tls.for_uvicorn(self._settings),
        )
        config.load()
        return config

    async def _run(self, server: _Server, listener: socket.socket) -> None:
        with listener, contextlib.suppress(SystemExit):  # uvicorn's way to say that the lifespan failed
            await server.serve(sockets=[listener])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        await self._task


class Paths:
    """ASGI middleware: HEAD is answered as GET, without its body (uvicorn leaves it out), and paths have a prefix.

    A call comes with the prefix, or without it where a proxy has taken it off.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; its lifespan is left alone."""
        if scope["type"] != "lifespan":
            path = scope["path"]
            path = path if path.startswith(f"{self._prefix}/") else self._prefix + path
            scope = {**scope, "path": path, "root_path": self._prefix}
            if scope.get("method") == "HEAD":
                scope["method"] = "GET"
        await self._app(scope, receive, send)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.http_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With protocol 0 asyncio never sets TCP_NODELAY on connections: every answer would wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # inherited by connections
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartFailed(f"cannot listen for HTTP on {settings.address(port)}: {error.strerror}") from error
    return listener


async def until_signal() -> None:
    """Return on SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
