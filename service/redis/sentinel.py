"""A client of the one server that Sentinels call master: after a failover, another one."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

ONCE = Retry(NoBackoff(), 0)
"""A Sentinel that is away is not waited for: there are others."""


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whoever is master; who finds none free waits for one."""


@asynccontextmanager
async def master_behind(
    sentinels: Iterable[tuple[str, int]], master: str, sentinel_options: Mapping[str, Any], options: Mapping[str, Any]
) -> AsyncIterator[Redis]:
    """A client of the master of this name, closed at the end, as are those of the Sentinels.

    Args:
        sentinels: (host, port) of each.
        master: its name.
        sentinel_options: redis-py's, for connections to Sentinels.
        options: for connections to the master, and of their pool.
    """
    found: Sentinel = _of_redis_py(Sentinel)(list(sentinels), sentinel_kwargs={**sentinel_options, "retry": ONCE})
    async with AsyncExitStack() as stack:
        for sentinel in found.sentinels:
            stack.push_async_callback(sentinel.aclose)
        pool: _MasterPool = _of_redis_py(_MasterPool)(master, found, **options)
        yield await stack.enter_async_context(Redis.from_pool(pool))


def _of_redis_py(untyped: Any) -> Any:
    """What redis-py gives no types, so that mypy lets it be called."""
    return untyped
