"""Rates of API keys, counted in this process and in a Redis that several processes share."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
import pytest_asyncio

from service.auth.access import RateLimits
from service.auth.api_keys import ANYONE, Caller, KeyLimits
from service.config import Settings
from service.errors import RateLimited, StoreUnavailable
from service.observability.metrics import Metrics
from service.redis.client import RedisClient, connected

NOBODY_LISTENS = "redis://127.0.0.1:1/0"

Make = Callable[[], RateLimits]


def caller(key_id: str = "robot", **limits: int) -> Caller:
    """Who has these limits."""
    return Caller(key_id, KeyLimits(**limits))


@pytest.fixture(autouse=True)
def _one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, no window ends between two calls of a test; in Redis one begins with the first call."""
    monkeypatch.setattr("limits.aio.storage.memory.time", SimpleNamespace(time=lambda: 1_000_000.5))


@pytest_asyncio.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes quotas of one deployment: in memory always the same ones."""
    settings = Settings(redis_prefix=f"test-{secrets.token_hex(8)}")
    if request.param == "memory":
        limits_of_keys = RateLimits.of(settings)
        yield lambda: limits_of_keys
        return
    url: str = request.getfixturevalue("redis_url")
    async with connected(url, 20) as client:
        yield lambda: RateLimits.of(settings, Metrics(), client)


async def test_a_rate_is_kept(make: Make) -> None:
    """What is above it learns when to come back."""
    limits_of_keys, robot = make(), caller(sessions_per_minute=3)
    for _ in range(3):
        await limits_of_keys.session(robot)

    with pytest.raises(RateLimited, match="API key robot may ask for 3 sessions in 60 s") as caught:
        await limits_of_keys.session(robot)
    assert caught.value.retry_after_ms is not None
    assert 0 < caught.value.retry_after_ms <= 60_000


async def test_rates_are_kept_apart(make: Make) -> None:
    """One key's from another's, sessions from clips."""
    limits_of_keys, limits = make(), {"sessions_per_minute": 1, "clips_per_minute": 1}
    await limits_of_keys.session(caller("robot", **limits))

    await limits_of_keys.session(caller("drone", **limits))
    await limits_of_keys.clip(caller("robot", **limits))
    with pytest.raises(RateLimited):
        await limits_of_keys.session(caller("robot", **limits))


async def test_all_processes_count_together(make: Make) -> None:
    """A key has its rate over all frontends."""
    one, other, robot = make(), make(), caller(clips_per_minute=2)
    await one.clip(robot)
    await other.clip(robot)

    for limits_of_keys in (one, other):
        with pytest.raises(RateLimited):
            await limits_of_keys.clip(robot)


async def test_frames_are_counted_by_the_second(make: Make) -> None:
    """More frames at once than a second may have: some of them are refused, and the wait is at most a second."""
    limits_of_keys, robot = make(), caller(frames_per_s=1)

    with pytest.raises(RateLimited) as caught:
        await asyncio.gather(*(limits_of_keys.frame(robot) for _ in range(100)))
    assert caught.value.retry_after_ms is not None
    assert 0 < caught.value.retry_after_ms <= 1000


async def test_people_besides_the_first_are_frames_too(make: Make) -> None:
    """A frame of four leaves none of five but one; nothing is refused for people who were read already."""
    limits_of_keys, robot = make(), caller(frames_per_s=5)
    await limits_of_keys.frame(robot)
    await limits_of_keys.more_people(robot, 3)
    await limits_of_keys.frame(robot)
    with pytest.raises(RateLimited):
        await asyncio.gather(*(limits_of_keys.frame(robot) for _ in range(50)))
    await limits_of_keys.more_people(robot, 3)


async def test_more_people_than_the_rate_use_all_of_it(make: Make) -> None:
    """The rest is let off."""
    limits_of_keys, robot = make(), caller(frames_per_s=3)
    await limits_of_keys.frame(robot)
    await limits_of_keys.more_people(robot, 15)
    with pytest.raises(RateLimited):
        await asyncio.gather(*(limits_of_keys.frame(robot) for _ in range(4)))


async def test_refusals_are_counted() -> None:
    """As `rate_limited`."""
    metrics = Metrics()
    limits_of_keys = RateLimits.of(Settings(), metrics)
    await limits_of_keys.clip(caller(clips_per_minute=1))
    with pytest.raises(RateLimited):
        await limits_of_keys.clip(caller(clips_per_minute=1))

    assert metrics.registry.get_sample_value("kinepose_auth_failures_total", {"reason": "rate_limited"}) == 1


@pytest_asyncio.fixture
async def away() -> AsyncIterator[RedisClient]:
    """A Redis that is not there."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(connected(NOBODY_LISTENS, 20))


async def test_a_redis_that_is_away_is_told(away: RedisClient) -> None:
    """Nothing is admitted that cannot be counted."""
    with pytest.raises(StoreUnavailable):
        await RateLimits.of(Settings(), Metrics(), away).frame(caller(frames_per_s=30))


async def test_people_of_a_frame_that_has_its_answer_are_not_worth_an_error(away: RedisClient) -> None:
    """Redis has gone away meanwhile."""
    await RateLimits.of(Settings(), Metrics(), away).more_people(caller(frames_per_s=30), 5)


@pytest.mark.parametrize("who", [ANYONE, caller(max_sessions=1)])
async def test_a_key_without_a_rate_asks_nobody(who: Caller, away: RedisClient) -> None:
    """It goes on though Redis is away, so it was not asked."""
    limits_of_keys = RateLimits.of(Settings(), Metrics(), away)
    await limits_of_keys.frame(who)
    await limits_of_keys.session(who)
    await limits_of_keys.clip(who)
    await limits_of_keys.more_people(who, 5)


async def test_a_full_redis_counts_no_more(redis_url: str) -> None:
    """At its memory limit, frames of sessions that run go on; new sessions are refused by the store."""
    settings, robot = Settings(redis_prefix=f"test-{secrets.token_hex(8)}"), caller(frames_per_s=1)
    async with connected(redis_url, 20) as client:
        await client.config_set("maxmemory", 1)
        try:
            for _ in range(3):
                await RateLimits.of(settings, Metrics(), client).frame(robot)
        finally:
            await client.config_set("maxmemory", 0)
