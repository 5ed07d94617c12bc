"""What a process is made of.

no Redis             one process: sessions in memory, the model beside them
Redis, `serve`       a frontend: sessions in Redis, frames handed to workers; it loads no weights
Redis, `worker`      a worker: sessions in Redis, frames out of Redis Streams, the model
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from model import zoo
from service.auth.access import RateLimits
from service.clips.places import ClipPlaces, own_url
from service.config import Settings
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.redis.client import RedisClient, connected
from service.redis.queue.executor import RedisExecutor
from service.redis.sessions.store import RedisSessions
from service.transports.http.relay import ClipRelay, open_http
from service.transports.tls import for_redis, redis_password, sentinel_password

HOLD_KEEPALIVE_S = 1.0
"""A frontend keeps a session held for so long after a frame: the next one comes without asking Redis for it."""


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[RedisClient]:
    """A client as the settings say. Redis need not be there yet. OSError where the password's file cannot be read."""
    assert settings.redis_url is not None
    url, password = settings.redis_url.get_secret_value(), redis_password(settings)
    of_sentinels = sentinel_password(settings)
    async with connected(url, settings.redis_timeout_s, password, for_redis(settings), of_sentinels) as client:
        yield client


@asynccontextmanager
async def open_pipeline(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[Pipeline]:
    """A pipeline that takes work, of one process or of a frontend; drained and closed on leaving.

    Raises:
        zoo.UnknownModel, zoo.BadWeights, WarmUpFailed: the start fails.
    """
    if settings.redis_url is None:
        # Not at the top: with it comes the model's runtime, a second and 300 MB that a frontend is spared.
        from service.processes.embedded import load_embedded

        async with _running(await load_embedded(settings, metrics)) as pipeline:
            yield pipeline
        return
    metrics = metrics or Metrics()
    card = await asyncio.to_thread(zoo.card, settings.model, settings.weights_dir)
    async with open_redis(settings) as client:
        pipeline = Pipeline(
            settings,
            card,
            RedisExecutor(client, settings, metrics),
            RedisSessions(client, settings, metrics),
            metrics=metrics,
            rate_limits=RateLimits.of(settings, metrics, client),
            hold_keepalive_s=HOLD_KEEPALIVE_S,
        )
        async with _running(pipeline):
            yield pipeline


@asynccontextmanager
async def open_clip_relay(settings: Settings, http_port: int) -> AsyncIterator[ClipRelay | None]:
    """What finds the clip jobs of other frontends, for one that listens on this port; None without Redis."""
    if settings.redis_url is None:
        yield None
        return
    async with open_redis(settings) as client, open_http(settings) as http:
        yield ClipRelay(ClipPlaces(client, settings, await own_url(settings, http_port)), http)


@asynccontextmanager
async def _running(pipeline: Pipeline) -> AsyncIterator[Pipeline]:
    try:
        await pipeline.start()
        yield pipeline
        await pipeline.drain()
    finally:
        await pipeline.aclose()
