"""Redis away, hanging or full: typed errors, sessions as they were, and no restart afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from service.errors import StoreUnavailable, TooManySessions
from service.redis.client import MOST_CONNECTIONS, connected
from service.sessions.store import Version
from tests.support.pipelines import eventually
from tests.support.redis_server import OwnRedis, own_redis
from tests.support.stores import TTL_S, KeptInRedis, meta, result, same, state

pytestmark = pytest.mark.slow

TIMEOUT_S = 0.3
MOST = 100


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    """A Redis of this test's own."""
    with own_redis() as redis:
        yield redis


@pytest.fixture
async def kept(redis: OwnRedis) -> AsyncIterator[KeptInRedis]:
    """A store with a session "a", one frame old; it does not wait long."""
    async with connected(redis.url, TIMEOUT_S) as client:
        kept = KeptInRedis(client, MOST)
        await kept.store.create("a", meta())
        await kept.store.commit("a", (await kept.store.checkout("a", 0)).version, state(0), result("a", 0))
        yield kept


async def all_fail(kept: KeptInRedis) -> None:
    """Every operation says that the store is away, and when to try again; only `release` is silent."""
    store = kept.store
    version = Version(0, 1)
    calls = (
        store.create("b", meta()),
        store.hold("a"),
        store.checkout("a", 1),
        store.commit("a", version, state(1), result("a", 1)),
        store.spend("a", version, result("a", 1)),
        store.info("a"),
        store.close("a"),
        store.sweep(),
    )
    ends = await asyncio.gather(*calls, store.release("a"), return_exceptions=True)
    assert ends.pop() is None
    for end in ends:
        assert isinstance(end, StoreUnavailable)
        assert end.retry_after_ms is not None


async def test_killed_redis_is_told_and_its_sessions_go_on_when_it_is_back(
    redis: OwnRedis, kept: KeptInRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """From its log, with the same state, through the same store."""
    caplog.set_level("INFO")
    redis.kill()
    await all_fail(kept)
    redis.start()
    for store in (kept.store, kept.another().store):
        found = await store.checkout("a", 1)
        assert same(found.state, state(0))
    await kept.store.commit("a", found.version, state(1), result("a", 1))
    assert (await kept.store.info("a")).next_seq == 2
    reported = [record.message for record in caplog.records if "Redis is" in record.message]
    assert [words.split(":")[0] for words in reported] == ["Redis is away", "Redis is back"]


async def test_hanging_redis_is_told_in_time(redis: OwnRedis, kept: KeptInRedis) -> None:
    """No call waits for ever. A write that Redis took in and carried out later is a replay then."""
    version = (await kept.store.checkout("a", 1)).version
    redis.pause()
    async with asyncio.timeout(20):
        with pytest.raises(StoreUnavailable):
            await kept.store.commit("a", version, state(1), result("a", 1))
    redis.go_on()

    async def caught_up() -> bool:
        return (await kept.store.info("a")).next_seq == 2

    await eventually(caught_up)
    assert same((await kept.store.checkout("a", 1)).replay, result("a", 1))
    assert same((await kept.store.checkout("a", 2)).state, state(1))


async def test_redis_that_comes_later_is_waited_for(redis: OwnRedis) -> None:
    """A store may be there before its Redis."""
    redis.kill()
    async with connected(redis.url, TIMEOUT_S) as client:
        store = KeptInRedis(client, MOST).store
        with pytest.raises(StoreUnavailable):
            await store.create("a", meta())
        redis.start()
        await store.create("a", meta())


async def test_full_redis_takes_nothing_new_and_goes_on_with_what_it_has(kept: KeptInRedis) -> None:
    """Sessions and first states are refused with a time to try again; those under way come to their end."""
    await kept.store.create("fresh", meta())
    first = (await kept.store.checkout("fresh", 0)).version
    await kept.client.config_set("maxmemory", "1")

    for refused in (kept.store.create("b", meta()), kept.store.commit("fresh", first, state(0), result("fresh", 0))):
        with pytest.raises(TooManySessions) as raised:
            await refused
        assert raised.value.retry_after_ms is not None
    assert (await kept.store.info("fresh")).next_seq == 0

    await kept.store.hold("a")
    await kept.store.commit("a", (await kept.store.checkout("a", 1)).version, state(1), result("a", 1))
    await kept.store.spend("a", (await kept.store.checkout("a", 2)).version, result("a", 2))
    assert same((await kept.another().store.checkout("a", 3)).state, state(1))
    await kept.store.release("a")
    assert await kept.store.sweep() == 2
    assert (await kept.store.close("a")).next_seq == 3

    await kept.client.config_set("maxmemory", "0")
    await kept.store.commit("fresh", first, state(0), result("fresh", 0))
    await kept.store.create("b", meta())
    assert await kept.store.sweep() == 2


async def test_full_redis_is_swept(kept: KeptInRedis) -> None:
    """Expired and living sessions are distinguished without memory to write with."""
    await kept.store.create("b", meta(ttl_s=0.02))
    await kept.ended("b")
    await kept.elapse(0.9 * TTL_S)
    await kept.store.hold("a")
    await kept.elapse(0.9 * TTL_S)
    await kept.client.config_set("maxmemory", "1")
    assert await kept.store.sweep() == 1
    assert await kept.store.sweep() == 1


async def test_callers_who_go_away_take_no_connection_with_them(kept: KeptInRedis) -> None:
    """However many are cancelled, and wherever: the next one finds the store as it was."""
    for round_number in range(12):
        calls = [asyncio.ensure_future(kept.store.checkout("a", 1)) for _ in range(2 * MOST_CONNECTIONS)]
        for _ in range(round_number):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
            asyncio.get_running_loop().call_soon(call.cancel)
        await asyncio.gather(*calls, return_exceptions=True)
    assert same((await kept.store.checkout("a", 1)).state, state(0))
    found = await asyncio.gather(*(kept.another().store.checkout("a", 1) for _ in range(2 * MOST_CONNECTIONS)))
    assert all(same(one.state, state(0)) for one in found)
