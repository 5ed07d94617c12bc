"""Which session store the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.config import Settings
from service.metrics import Metrics
from service.redis_sessions.client import connected
from service.redis_sessions.store import RedisLimits, RedisSessions
from service.sessions import InMemorySessions, SessionStore


@asynccontextmanager
async def open_store(settings: Settings, metrics: Metrics) -> AsyncIterator[SessionStore]:
    """Sessions in Redis where the settings name one, in memory otherwise. Redis need not be there yet."""
    if settings.redis_url is None:
        yield InMemorySessions(settings.max_sessions, settings.remembered_sessions, metrics)
        return
    async with connected(settings.redis_url.get_secret_value(), settings.redis_timeout_s) as client:
        yield RedisSessions(client, RedisLimits.of(settings), metrics)
