"""`kinepose worker`: the model between Redis Streams and the sessions in Redis, with a small HTTP server for probes."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fastapi import FastAPI

from model.skeletons import SKELETONS
from service.auth.access import Quota
from service.auth.api_keys import KeyRing
from service.config import Settings
from service.errors import ServerBusy
from service.inference.executor import LocalExecutor
from service.inference.loaded_model import load_model
from service.observability.metrics import Metrics
from service.pipeline.lifecycle import Lifecycle
from service.pipeline.processor import FrameProcessor
from service.processes.wiring import open_redis
from service.redis.queue.consumer import StreamConsumer
from service.redis.sessions.store import RedisSessions
from service.transports.http import operations
from service.transports.http.auth import ApiKeyMiddleware
from service.transports.http.errors import install_error_handlers
from service.transports.http.server import HttpServer, until_signal

log = logging.getLogger(__name__)


class WorkerLost(RuntimeError):
    """The worker cannot go on; only a new process helps."""


@dataclass
class WorkerParts:
    """What a worker consists of; `operations.Probed` of its process."""

    executor: LocalExecutor
    consumer: StreamConsumer
    metrics: Metrics
    keys: KeyRing
    calls: Quota
    lifecycle: Lifecycle


@asynccontextmanager
async def _parts(settings: Settings) -> AsyncIterator[WorkerParts]:
    metrics = Metrics()
    loaded = await asyncio.to_thread(load_model, settings, metrics)
    async with open_redis(settings) as client:
        store = RedisSessions(client, settings, metrics, optimistic=True)
        executor = LocalExecutor(settings, loaded, store, metrics)
        processor = FrameProcessor(executor, store, SKELETONS[loaded.card.skeleton], metrics)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        consumer = StreamConsumer(client, name, settings, executor, processor, metrics)
        try:
            await executor.start()
            keys = KeyRing(settings.api_keys_file, metrics)
            calls = Quota("calls", settings.limit_concurrency, settings.max_calls_per_key, full=ServerBusy)
            yield WorkerParts(executor, consumer, metrics, keys, calls, Lifecycle(executor, store))
        finally:
            await executor.aclose()


def create_worker_app(settings: Settings) -> FastAPI:
    """The app of a worker's probes and metrics; `app.state.probed` holds its parts while its lifespan lasts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.failure = None
        try:
            async with _parts(settings) as app.state.probed:
                yield
        except Exception as error:
            app.state.failure = error
            raise

    app = FastAPI(title="Kinepose worker", lifespan=lifespan, openapi_url=None)
    app.include_router(operations.router)
    app.add_middleware(ApiKeyMiddleware)
    install_error_handlers(app)
    return app


class RunningWorker:
    """A worker that takes frames: `async with RunningWorker(settings) as worker`. Leaving drains and stops it.

    Raises, on entering:
        StartFailed: the model does not load, the port is taken, ...; the cause tells which.
    """

    def __init__(self, settings: Settings) -> None:
        self.app = create_worker_app(settings)
        self.http = HttpServer(self.app, settings)
        self._run: asyncio.Task[bool] | None = None

    @property
    def parts(self) -> WorkerParts:
        """The parts inside."""
        parts = self.app.state.probed
        assert isinstance(parts, WorkerParts)
        return parts

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        self._run = asyncio.create_task(self.parts.consumer.run(), name="kinepose-consumer")
        return self

    async def lost(self) -> None:
        """Return when the device is lost. Raises what else ended the worker's loop."""
        assert self._run is not None
        device_lost = asyncio.create_task(self.parts.executor.device_lost())
        try:
            await asyncio.wait({device_lost, self._run}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            device_lost.cancel()
        if self._run.done():
            self._run.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._run is not None
        self.parts.lifecycle.begin_drain()
        self.parts.consumer.stop()
        [finished] = await asyncio.gather(self._run, return_exceptions=True)
        if finished is False:
            log.warning("the grace period is over; other workers take over what is left")
        await self.http.__aexit__(kind, error, trace)


async def work(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT, then drain it and return.

    Raises:
        StartFailed: as RunningWorker.
        WorkerLost: its device is lost, or it does not fit its deployment.
    """
    stop = asyncio.create_task(until_signal())
    async with RunningWorker(settings) as worker:
        log.info("ready: taking frames, probes on %s", worker.http.url)
        lost = asyncio.create_task(worker.lost())
        await asyncio.wait({stop, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not lost.done():
            lost.cancel()
            log.info("draining")
            return
    stop.cancel()
    with suppress(asyncio.CancelledError):
        await stop
    cause = lost.exception()
    raise WorkerLost(str(cause or "the device is lost")) from cause
