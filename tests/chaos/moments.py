"""The moment to strike: a worker that has nothing to do loses nothing when it dies."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.store import Store

PATIENCE_S = 3.0
LOOK_EVERY_S = 0.005


async def frames_at_work(store: Store) -> None:
    """Return when frames are on their way through Redis; or after PATIENCE_S; or at once where Redis is away."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(PATIENCE_S), store.servers() as servers:
            streams = [[key async for key in redis.scan_iter(count=1000, _type="stream")] for redis in servers]
            while not any([await _any(redis, keys) for redis, keys in zip(servers, streams, strict=True)]):  # noqa: ASYNC110 - as below
                await asyncio.sleep(LOOK_EVERY_S)


async def _any(redis: Redis, streams: list[bytes]) -> bool:
    async with redis.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xlen(stream)
        return any(await pipeline.execute())
