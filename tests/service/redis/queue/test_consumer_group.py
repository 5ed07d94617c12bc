"""Which workers live, and which shards are whose."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.redis.client import RedisClient
from service.redis.keys import Keyspace
from service.redis.queue.consumer_group import WorkerRegistry, queue_scripts, shard_owners
from tests.support.pipelines import eventually
from tests.support.stores import kept_in_redis

workers = st.sets(st.text("abcdef0123456789-", min_size=1, max_size=12), min_size=1, max_size=20).map(sorted)


@given(workers, st.integers(1, 200))
def test_every_shard_has_one_owner_and_nobody_more_than_his_share(names: list[str], shards: int) -> None:
    """The share is rounded up."""
    owners = shard_owners(shards, names)
    assert len(owners) == shards
    assert set(owners) <= set(names)
    assert max(Counter(owners).values()) <= -(-shards // len(names))


@given(workers, st.integers(1, 64))
def test_the_list_alone_decides(names: list[str], shards: int) -> None:
    """All workers reckon the same, whenever they do."""
    assert shard_owners(shards, names) == shard_owners(shards, tuple(names))


def test_without_workers_nobody_owns() -> None:
    """There is nobody to read."""
    assert shard_owners(8, []) == []


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_few_shards_move_when_a_worker_goes(count: int) -> None:
    """Of those that had a living owner, fewer than half get another one."""
    names = [f"worker-{number}" for number in range(count)]
    before = shard_owners(64, names)
    after = shard_owners(64, names[1:])
    stayed = [one for one in range(64) if before[one] != names[0]]
    assert sum(before[one] != after[one] for one in stayed) < len(stayed) / 2


async def registries(client: RedisClient, prefix: str, lease_s: float, *names: str | None) -> list[WorkerRegistry]:
    """One for each name."""
    scripts = queue_scripts(client)
    return [WorkerRegistry(scripts, Keyspace(prefix, 4), lease_s, name) for name in names]


async def test_those_who_beat_are_on_the_list_until_they_leave(redis_url: str) -> None:
    """Who only looks is not."""
    async with kept_in_redis(redis_url, 1) as kept:
        one, two, looker = await registries(kept.client, kept.prefix, 60, "one", "two", None)
        for registry in (two, one, looker):
            await registry.beat()
        assert list(looker.workers) == list(one.workers) == ["one", "two"]
        assert looker.alive() == 2
        await two.leave()
        await looker.beat()
        assert list(looker.workers) == ["one"]


async def test_who_was_not_heard_of_for_a_lease_is_off_the_list(redis_url: str) -> None:
    """Even where no other worker is left to strike the name out."""
    async with kept_in_redis(redis_url, 1) as kept:
        one, looker = await registries(kept.client, kept.prefix, 0.3, "one", None)
        await one.beat()

        async def is_off() -> bool:
            await looker.beat()
            return looker.workers == ()

        await eventually(is_off)
        await looker.beat()
        assert await kept.client.zcard(kept.keyspace.workers()) == 0
        await one.beat()
        await looker.beat()
        assert list(looker.workers) == ["one"]


async def test_a_list_that_is_old_counts_for_nothing(redis_url: str) -> None:
    """A frontend that has not heard of Redis for a lease reckons with no worker."""
    async with kept_in_redis(redis_url, 1) as kept:
        one, looker = await registries(kept.client, kept.prefix, 0.2, "one", None)
        await one.beat()
        assert looker.alive() == 0
        await looker.beat()
        assert looker.alive() == 1
        looker._looked_at -= 0.2
        assert looker.alive() == 0
