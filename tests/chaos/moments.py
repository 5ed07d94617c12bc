"""The moment to strike: a worker that has nothing to do loses nothing when it dies."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

PATIENCE_S = 3.0
LOOK_EVERY_S = 0.005


async def frames_at_work(url: str) -> None:
    """Return when frames are on their way through Redis; or after PATIENCE_S; or at once where Redis is away."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(PATIENCE_S), Redis.from_url(url) as redis:
            streams = [key async for key in redis.scan_iter(count=1000, _type="stream")]
            while not await _any(redis, streams):  # noqa: ASYNC110 - a stream tells only those who read from it
                await asyncio.sleep(LOOK_EVERY_S)


async def _any(redis: Redis, streams: list[bytes]) -> bool:
    async with redis.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xlen(stream)
        return any(await pipeline.execute())
