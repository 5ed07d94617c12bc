"""How much one API key may ask for in a time, over all frontends.

The pipeline asks before it admits anything:

    rate_limits = RateLimits.of(settings, metrics, client)    client: the one of the session store, None without Redis
    await rate_limits.session(caller)                         where a session is created
    await rate_limits.frame(caller)                           where a live frame is admitted, not one of a clip
    await rate_limits.clip(caller)                            where a clip begins, before its file is taken in

Each returns, or raises RateLimited or StoreUnavailable. A key without that rate costs nothing: no Redis is asked.
How many sessions a key holds at once is the session store's business (`KeyLimits.max_sessions`).
"""

import math
import time
from typing import Any, Self

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from service.auth.api_keys import Caller
from service.config import Settings
from service.errors import RateLimited, StoreUnavailable
from service.observability.metrics import Metrics

RETRY_AFTER_AWAY_MS = 1000


class RateLimits:
    """Rates of API keys, counted in a sliding window: at its edge, one more may come through. Of one event loop.

    Args:
        storage: where the counts are.
        metrics: counts refusals.
    """

    def __init__(self, storage: Storage, metrics: Metrics) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._metrics = metrics

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics | None = None, client: Redis | None = None) -> Self:
        """Counts in Redis, over all processes with the settings' prefix; in this process where there is no client."""
        return cls(
            MemoryStorage() if client is None else _in_redis(client, settings.redis_prefix), metrics or Metrics()
        )

    async def frame(self, caller: Caller) -> None:
        """One more frame. Raises RateLimited, StoreUnavailable."""
        if caller.limits.frames_per_s is not None:
            await self._take(caller, "frames", RateLimitItemPerSecond(caller.limits.frames_per_s))

    async def session(self, caller: Caller) -> None:
        """One more session. Raises RateLimited, StoreUnavailable."""
        if caller.limits.sessions_per_minute is not None:
            await self._take(caller, "sessions", RateLimitItemPerMinute(caller.limits.sessions_per_minute))

    async def clip(self, caller: Caller) -> None:
        """One more clip. Raises RateLimited, StoreUnavailable."""
        if caller.limits.clips_per_minute is not None:
            await self._take(caller, "clips", RateLimitItemPerMinute(caller.limits.clips_per_minute))

    async def _take(self, caller: Caller, what: str, rate: RateLimitItem) -> None:
        assert caller.key_id is not None
        try:
            if await self._limiter.hit(rate, caller.key_id, what):
                return
            free_at = (await self._limiter.get_window_stats(rate, caller.key_id, what)).reset_time
        except OutOfMemoryError:
            # A full Redis counts no more. It refuses new sessions by itself; those that run go on.
            return
        except RedisError as error:
            raise StoreUnavailable("the rates cannot be counted now", retry_after_ms=RETRY_AFTER_AWAY_MS) from error
        self._metrics.auth_failures.labels(RateLimited.code).inc()
        wait_ms = math.ceil(1000 * (free_at - time.time()))
        raise RateLimited(
            f"API key {caller.key_id} may ask for {rate.amount} {what} in {rate.get_expiry()} s",
            retry_after_ms=min(max(wait_ms, 1), 1000 * rate.get_expiry()),
        )


def _in_redis(client: Redis, prefix: str) -> RedisStorage:
    # The types of limits know plain options only; it hands this one to redis-py as it is.
    pool: Any = client.connection_pool
    return RedisStorage("async+redis://", implementation="redispy", key_prefix=f"{prefix}:rates", connection_pool=pool)
