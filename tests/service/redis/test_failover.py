"""A master is killed while frames are under way, in a cluster and behind Sentinels; its replica goes on."""

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from service.auth.access import RateLimits
from service.auth.api_keys import Caller, KeyLimits
from service.clips.places import ClipPlaces
from service.config import Settings
from service.errors import NoWorker, RateLimited, StoreUnavailable
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.redis.client import Scripts, connected
from tests.support.fleet import Fleet, deployed
from tests.support.pipelines import frame, value_of
from tests.support.redis_nodes import OwnCluster, SentinelTrio, follow, own_cluster, own_pair, own_sentinels
from tests.support.trackers import history

pytestmark = pytest.mark.slow

NAMES = tuple(f"session-{number}" for number in range(8))
FRAMES = 30
KILL_AT = 10
SETTINGS = {"redis_wait_replicas": 1, "redis_timeout_s": 2.0, "worker_lease_s": 1.0}
AGAIN_S = 0.05


@pytest.fixture(scope="module")
def cluster() -> Iterator[OwnCluster]:
    """Three masters and a replica of each."""
    with own_cluster() as cluster:
        yield cluster


@pytest.fixture
def trio() -> Iterator[SentinelTrio]:
    """A master, its replica and three Sentinels."""
    with own_sentinels() as trio:
        yield trio


async def answered(frontend: Pipeline, name: str, seq: int) -> int:
    """A frame's answer; it is sent again, as a client does, while the store or the workers are away."""
    while True:
        try:
            return value_of(await frontend.frames.estimate(frame(seq, session=name)))
        except (StoreUnavailable, NoWorker):
            await asyncio.sleep(AGAIN_S)


async def streamed(frontend: Pipeline, name: str, some_answered: asyncio.Event) -> None:
    """All frames of a session; each answer is that of an unbroken run, so nothing that was answered is undone."""
    for seq in range(FRAMES):
        assert await answered(frontend, name, seq) == history(list(range(seq + 1)))
        if seq == KILL_AT:
            some_answered.set()


async def all_streamed(frontend: Pipeline, kill: "asyncio.Future[None]", some_answered: asyncio.Event) -> None:
    """Every session's frames, and a kill after some of them."""
    await asyncio.gather(*(streamed(frontend, name, some_answered) for name in NAMES), kill)


async def nothing_is_left(deployment: Fleet) -> None:
    """No frame waits in any stream, and none is in a worker's hands."""
    assert await deployment.left() == (0, 0)


async def test_a_cluster_serves_sessions_of_all_its_nodes(cluster: OwnCluster) -> None:
    """Frames of many shards are read and answered; each node has some of them."""
    async with deployed(cluster.url, *NAMES, workers=2) as (deployment, frontend):
        keys = [deployment.keyspace.session(name).session for name in NAMES]
        assert len({cluster.master_of(key).port for key in keys}) > 1
        for seq in range(3):
            answers = await asyncio.gather(*(frontend.frames.estimate(frame(seq, session=name)) for name in NAMES))
            assert {value_of(answer) for answer in answers} == {history(list(range(seq + 1)))}
        await nothing_is_left(deployment)


async def test_a_killed_master_of_a_cluster_undoes_nothing_that_was_answered(cluster: OwnCluster) -> None:
    """With an answer that waits for the replica; every session goes on from where it was."""
    async with deployed(cluster.url, *NAMES, workers=2, **SETTINGS) as (deployment, frontend):
        key = deployment.keyspace.session(NAMES[0]).session
        some_answered = asyncio.Event()

        async def kill() -> None:
            await some_answered.wait()
            master = cluster.master_of(key)
            await asyncio.to_thread(master.kill)
            await asyncio.to_thread(cluster.wait_for_another_master, key, master)
            # As an orchestrator does; until then the new master has no replica that could have what is written.
            await asyncio.to_thread(master.start)

        await all_streamed(frontend, asyncio.ensure_future(kill()), some_answered)
        await nothing_is_left(deployment)


async def test_a_killed_master_behind_sentinels_undoes_nothing_that_was_answered(trio: SentinelTrio) -> None:
    """The replica becomes master, and every session goes on from where it was."""
    async with deployed(trio.url, *NAMES, workers=2, **SETTINGS) as (deployment, frontend):
        some_answered = asyncio.Event()

        async def kill() -> None:
            await some_answered.wait()
            master = trio.master()
            await asyncio.to_thread(master.kill)
            await asyncio.to_thread(trio.wait_for_another_master, master)
            await asyncio.to_thread(trio.start_as_replica, master)

        await all_streamed(frontend, asyncio.ensure_future(kill()), some_answered)
        await nothing_is_left(deployment)


async def test_what_no_replica_has_is_not_answered() -> None:
    """Once there is one again, the frame finds the answer that was computed before."""
    with own_pair() as (master, replica):
        settings = {"redis_wait_replicas": 1, "redis_wait_ms": 1000}
        async with deployed(f"redis://127.0.0.1:{master.port}/0", **settings) as (deployment, frontend):
            assert await answered(frontend, "s", 0) == history([0])
            replica.kill()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await frontend.frames.estimate(frame(1))
            replica.start()
            follow(replica, master)
            assert await answered(frontend, "s", 1) == history([0, 1])
            [worker] = deployment.workers
            assert [shade for batch in worker.tracker.batches for shade, _ in batch] == [0, 1]
            await nothing_is_left(deployment)


async def test_rates_and_places_of_clips_are_kept_in_a_cluster(cluster: OwnCluster) -> None:
    """Each at the node of its slot."""
    settings = Settings(redis_prefix=f"test-{secrets.token_hex(8)}")
    async with connected(cluster.url, 20.0) as client:
        rates = RateLimits.of(settings, Metrics(), client)
        for name in ("one", "two", "three"):
            await rates.session(Caller(name, KeyLimits(sessions_per_minute=1)))
            with pytest.raises(RateLimited):
                await rates.session(Caller(name, KeyLimits(sessions_per_minute=1)))
        places = ClipPlaces(client, settings, "http://10.0.0.1:8000")
        for number in range(4):
            await places.started(f"{number}" * 32)
            assert await places.find(f"{number}" * 32) == "http://10.0.0.1:8000"
            await places.gone(f"{number}" * 32)


@pytest.mark.parametrize("url", ["redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/kinepose"])
async def test_servers_that_are_not_there_are_told_as_one_that_is_away(url: str) -> None:
    """The first command says so, not the start."""
    async with connected(url, 1.0) as client:
        with pytest.raises(StoreUnavailable):
            await Scripts(client, {"one": "return {1}"}).run("one", ("key",))
