"""Frontends and workers around fake trackers, in one event loop, over a real Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from redis.exceptions import RedisError

from model.skeletons import KINEPOSE_13
from service.config import Settings
from service.contract.messages import DropPolicy, EncodedFrame, FrameResult, SessionOptions
from service.inference.executor import LocalExecutor
from service.inference.loaded_model import LoadedModel
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.pipeline.processor import FrameProcessor
from service.pipeline.request import Priority
from service.processes.wiring import open_redis
from service.redis.client import RedisClient
from service.redis.cluster import ClusterClient
from service.redis.keys import GROUP, Keyspace
from service.redis.queue.consumer import StreamConsumer
from service.redis.queue.executor import RedisExecutor
from service.redis.sessions.store import RedisSessions
from tests.support.pipelines import CARD, Source, eventually, until
from tests.support.trackers import FakeTracker

LEASE_S = 1.2
"""Longer than the event loop, which all of a fleet shares, stands still on a busy machine."""


class Unprobed(LocalExecutor):
    """Ready while it lives, so that the tracker sees the frames of the test alone."""

    async def ready(self) -> bool:
        """See FrameExecutor."""
        return self.live()


@dataclass
class FakeWorker:
    """A worker that can be killed: what it had is neither finished nor acknowledged."""

    name: str
    tracker: FakeTracker
    consumer: StreamConsumer
    executor: LocalExecutor
    metrics: Metrics
    run: "asyncio.Task[bool]"

    async def kill(self) -> None:
        """End it as kill -9 does, as far as Redis can see."""
        self.run.cancel()
        await asyncio.wait({self.run})
        self.tracker.let_go()
        await self.executor.aclose()

    async def stop(self) -> bool:
        """End it as SIGTERM does."""
        self.consumer.stop()
        finished = await self.run
        await self.executor.aclose()
        return finished


@dataclass
class Fleet:
    """A deployment of its own: a prefix that no other test has.

    Attributes:
        observer: for what only the test asks Redis; where users have few rights, it is of one that has more.
    """

    client: RedisClient
    settings: Settings
    observer: RedisClient
    frontends: list[Pipeline] = field(default_factory=list)
    workers: list[FakeWorker] = field(default_factory=list)

    @property
    def keyspace(self) -> Keyspace:
        """Where everything is."""
        return Keyspace(self.settings.redis_prefix, self.settings.redis_shards)

    async def frontend(self) -> Pipeline:
        """One more, which listens and knows the workers."""
        metrics = Metrics()
        pipeline = Pipeline(
            self.settings,
            CARD,
            RedisExecutor(self.client, self.settings, metrics),
            RedisSessions(self.client, self.settings, metrics),
            metrics=metrics,
            hold_keepalive_s=1.0,
        )
        await pipeline.start()
        self.frontends.append(pipeline)
        await self.sees(pipeline, len(self.workers))
        if self.workers:
            await eventually(pipeline.lifecycle.ready)
        return pipeline

    async def worker(self) -> FakeWorker:
        """One more, which every frontend has heard of."""
        metrics, tracker = Metrics(), FakeTracker()
        store = RedisSessions(self.client, self.settings, metrics, optimistic=True)
        executor = Unprobed(self.settings, LoadedModel(CARD, KINEPOSE_13, tracker), store, metrics)
        await executor.start()
        tracker.batches.clear()
        processor = FrameProcessor(executor, store, KINEPOSE_13, metrics)
        name = f"worker-{len(self.workers)}"
        consumer = StreamConsumer(self.client, name, self.settings, executor, processor, metrics)
        run = asyncio.create_task(consumer.run())
        worker = FakeWorker(name, tracker, consumer, executor, metrics, run)
        self.workers.append(worker)
        await eventually(self._all_hear_orders)
        for frontend in self.frontends:
            await self.sees(frontend, sum(not worker.run.done() for worker in self.workers))
        return worker

    async def _all_hear_orders(self) -> bool:
        return await self._hearing_orders() >= sum(not worker.run.done() for worker in self.workers)

    async def _hearing_orders(self) -> int:
        """Connections that hear them, at whatever node of a cluster."""
        if not isinstance(self.observer, ClusterClient):
            [(_, count)] = await self.observer.pubsub_numsub(self.keyspace.orders())
            return int(count)
        await self.observer.initialize()
        total = 0
        for node in self.observer.get_nodes():
            async with self.observer.of_node((node.host, int(node.port))) as server:
                with suppress(RedisError):  # One that was killed.
                    [(_, count)] = await server.pubsub_numsub(self.keyspace.orders())
                    total += int(count)
        return total

    async def sees(self, frontend: Pipeline, workers: int) -> None:
        """Wait until a frontend reckons with so many workers."""
        registry = frontend.metrics.registry
        await until(lambda: (registry.get_sample_value("kinepose_workers_alive") or 0) == workers)

    async def left(self) -> tuple[int, int]:
        """Frames in all streams, and those that were given to a worker and not acknowledged."""
        streams = [self.keyspace.stream(shard, line) for line in Priority for shard in range(self.keyspace.shards)]
        waiting = [await self.observer.xlen(stream) for stream in streams]
        pending = [(await self.observer.xpending(stream, GROUP))["pending"] for stream in streams]
        return sum(waiting), sum(pending)

    async def close(self) -> None:
        """End all, and leave nothing behind."""
        for frontend in self.frontends:
            await frontend.aclose()
        for worker in self.workers:
            if not worker.run.done():
                worker.tracker.let_go()
                await worker.stop()
        keys = [key async for key in self.observer.scan_iter(f"{self.settings.redis_prefix}:*")]
        for key in keys:  # Not in one command: in a cluster they are of several slots.
            await self.observer.delete(key)


@asynccontextmanager
async def fleet(
    url: str, *, workers: int = 1, observer: RedisClient | None = None, **settings: Any
) -> AsyncIterator[Fleet]:
    """A deployment with one frontend and so many workers in this Redis."""
    chosen = Settings(
        **{
            "redis_url": SecretStr(url),
            "redis_prefix": f"test-{secrets.token_hex(8)}",
            "redis_shards": 8,
            "worker_lease_s": LEASE_S,
            "batch_wait_ms": 0.0,
            "max_batch": 4,
            "drain_grace_s": 10.0,
            **settings,
        }
    )
    async with open_redis(chosen) as client:
        started = Fleet(client, chosen, observer or client)
        try:
            for _ in range(workers):
                await started.worker()
            await started.frontend()
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def deployed(
    url: str, *sessions: str, workers: int = 1, **settings: Any
) -> AsyncIterator[tuple[Fleet, Pipeline]]:
    """A deployment and its frontend, with sessions of these ids, or one called "s"."""
    async with fleet(url, workers=workers, **settings) as deployment:
        [frontend] = deployment.frontends
        await opened(frontend, *sessions)
        yield deployment, frontend


async def opened(frontend: Pipeline, *names: str) -> None:
    """Sessions of these ids; one called "s" where there are none."""
    for name in names or ("s",):
        await frontend.sessions.create(SessionOptions(), name)


async def at_device(worker: FakeWorker, frontend: Pipeline, sent: EncodedFrame) -> "asyncio.Task[FrameResult]":
    """A frame that this worker computes until its tracker is let go."""
    worker.tracker.hold()
    answer = asyncio.create_task(frontend.frames.estimate(sent))
    await worker.tracker.entered()
    return answer


async def replaced_where_struck(deployment: Fleet, answers: Sequence["asyncio.Task[Any]"]) -> int:
    """Workers end by deadly frames, and others take their places, until all is answered; how many ended."""

    def struck() -> bool:
        return deployment.workers[-1].tracker.struck

    ended = 0
    while True:
        await until(lambda: struck() or all(answer.done() for answer in answers))
        if not struck():
            return ended
        await deployment.workers[-1].kill()
        ended += 1
        await deployment.worker()


async def streamed(frontend: Pipeline, *frames: EncodedFrame, session: str = "s") -> list[FrameResult]:
    """All results of a stream of these frames."""
    source = Source(*frames)
    source.end()
    return [result async for result in frontend.frames.stream(session, aiter(source), DropPolicy.WAIT)]
