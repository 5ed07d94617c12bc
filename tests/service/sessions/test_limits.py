"""How many sessions an API key may hold at once, in memory and in Redis."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.contract.messages import SessionOptions
from service.errors import TooManySessions
from service.redis.client import RedisClient, connected
from service.sessions.store import SessionMeta
from tests.support.stores import MODEL, TIMEOUT_S, TTL_S, Kept, KeptInMemory, KeptInRedis


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    """A connection to Redis."""
    async with connected(redis_url, TIMEOUT_S) as opened:
        yield opened


@pytest.fixture(params=["memory", "redis"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Each store in turn, with room for ten sessions of all keys."""
    if request.param == "memory":
        return KeptInMemory(10)
    return KeptInRedis(request.getfixturevalue("client"), 10)


def of(owner: str | None) -> SessionMeta:
    """A session of that key."""
    return SessionMeta(MODEL, SessionOptions(), TTL_S, owner)


async def test_a_key_holds_no_more_than_its_limit(kept: Kept) -> None:
    """The refusal says when the first of its own sessions may expire."""
    await kept.store.create("a", of("robot"), 2)
    await kept.store.create("b", of("robot"), 2)

    with pytest.raises(TooManySessions, match="the API key holds 2 sessions, its limit") as caught:
        await kept.store.create("c", of("robot"), 2)
    assert caught.value.retry_after_ms is not None
    assert 0 < caught.value.retry_after_ms <= 1000 * TTL_S + 1


async def test_other_keys_go_on(kept: Kept) -> None:
    """Each has its own count; a key without a limit has none."""
    await kept.store.create("a", of("robot"), 1)
    await kept.store.create("b", of("drone"), 1)
    for name in ("c", "d", "e"):
        await kept.store.create(name, of("crane"))
        await kept.store.create(f"nobody-{name}", of(None))

    with pytest.raises(TooManySessions, match="the API key"):
        await kept.store.create("f", of("drone"), 1)


async def test_a_closed_session_makes_room(kept: Kept) -> None:
    """At once."""
    await kept.store.create("a", of("robot"), 1)
    await kept.store.close("a")

    assert (await kept.store.create("b", of("robot"), 1)).next_seq == 0


async def test_an_expired_session_makes_room(kept: Kept) -> None:
    """Also where nobody asked for it."""
    await kept.store.create("a", of("robot"), 1)
    await kept.elapse(TTL_S + 1)

    assert (await kept.store.create("b", of("robot"), 1)).next_seq == 0


async def test_a_session_in_use_keeps_its_place(kept: Kept) -> None:
    """A sweep that finds it alive counts it on."""
    await kept.store.create("a", of("robot"), 1)
    await kept.store.hold("a")
    await kept.elapse(TTL_S + 1)

    with pytest.raises(TooManySessions):
        await kept.store.create("b", of("robot"), 1)


async def test_the_limit_of_all_comes_first(kept: Kept) -> None:
    """A key with room in its own limit is refused where the server has none."""
    for number in range(10):
        await kept.store.create(f"s{number}", of("crane"))

    with pytest.raises(TooManySessions, match="the server holds 10 sessions"):
        await kept.store.create("one more", of("robot"), 5)


async def test_processes_count_together(client: RedisClient) -> None:
    """Sessions of one key, begun over two frontends."""
    one = KeptInRedis(client, 10)
    await one.store.create("a", of("robot"), 2)
    await one.another().store.create("b", of("robot"), 2)

    for kept in (one, one.another()):
        with pytest.raises(TooManySessions):
            await kept.store.create("c", of("robot"), 2)
