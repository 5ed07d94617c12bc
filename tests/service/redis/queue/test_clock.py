"""Redis's wall clock jumps: leases, frames and sessions in use bear it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.fleet import Fleet, at_device, deployed
from tests.support.jumping_clock import Jump, jumping_redis
from tests.support.pipelines import counted, eventually, frame, until, value_of
from tests.support.redis_server import OwnRedis
from tests.support.trackers import history

JUMPS = pytest.mark.parametrize("seconds", [-300, 400])


@pytest.fixture
def redis() -> Iterator[tuple[OwnRedis, Jump]]:
    """A Redis of this test's own, and what lets its clock jump."""
    with jumping_redis() as redis:
        yield redis


async def some_beats(deployment: Fleet) -> None:
    """Wait until a worker has beaten some times more than a lease has room for."""
    marks = set()

    async def are_over() -> bool:
        marks.add(await deployment.client.zscore(deployment.keyspace.workers(), deployment.workers[0].name))
        return len(marks) > 5

    await eventually(are_over)


@JUMPS
async def test_workers_live_on_and_keep_their_frames(redis: tuple[OwnRedis, Jump], seconds: float) -> None:
    """Nobody is off the list for a moment; a frame at work, with a deadline, is given to nobody else."""
    server, jump = redis
    async with deployed(server.url, workers=2) as (deployment, frontend):
        await frontend.frames.estimate(frame(0))
        [busy] = [worker for worker in deployment.workers if worker.tracker.batches]
        deadline = asyncio.get_running_loop().time() + 60
        answer = await at_device(busy, frontend, replace(frame(1), deadline=deadline))
        jump(seconds)
        fewest = 2
        for _ in range(5):
            await some_beats(deployment)
            fewest = min(fewest, int(counted(frontend, "workers_alive")), len(busy.consumer.registry.workers))
        assert fewest == 2
        busy.tracker.let_go()
        assert value_of(await answer) == history([0, 1])
        assert value_of(await frontend.frames.estimate(frame(2))) == history([0, 1, 2])
        for worker in deployment.workers:
            assert worker.metrics.registry.get_sample_value("kinepose_frames_claimed_total") == 0


@JUMPS
async def test_what_a_killed_worker_had_is_taken_over_in_time(redis: tuple[OwnRedis, Jump], seconds: float) -> None:
    """As without a jump, after some leases at most."""
    server, jump = redis
    async with deployed(server.url, workers=2) as (deployment, frontend):
        await frontend.frames.estimate(frame(0))
        [busy] = [worker for worker in deployment.workers if worker.tracker.batches]
        answer = await at_device(busy, frontend, frame(1))
        jump(seconds)
        await busy.kill()
        async with asyncio.timeout(60):
            assert value_of(await answer) == history([0, 1])
        await until(lambda: counted(frontend, "workers_alive") == 1)


@JUMPS
async def test_a_frame_that_waited_across_the_jump_keeps_its_time(redis: tuple[OwnRedis, Jump], seconds: float) -> None:
    """It is computed as soon as its worker has room."""
    server, jump = redis
    async with deployed(server.url, "a", "b", worker_frames=1) as (deployment, frontend):
        [worker] = deployment.workers
        first = await at_device(worker, frontend, frame(0, session="a"))
        deadline = asyncio.get_running_loop().time() + 60
        answer = asyncio.create_task(frontend.frames.estimate(replace(frame(0, session="b"), deadline=deadline)))
        await until(lambda: counted(frontend, "stream_frames", line="live") == 2)
        jump(seconds)
        await some_beats(deployment)
        worker.tracker.let_go()
        assert [value_of(await one) for one in (first, answer)] == [history([0])] * 2


async def test_a_session_in_use_bears_a_jump_ahead(redis: tuple[OwnRedis, Jump]) -> None:
    """Of more than its TTL: it is held while its frame is at work."""
    server, jump = redis
    async with deployed(server.url) as (deployment, frontend):
        assert deployment.settings.session_ttl_s < 400
        await frontend.frames.estimate(frame(0))
        [worker] = deployment.workers
        answer = await at_device(worker, frontend, frame(1))
        jump(400)
        worker.tracker.let_go()
        assert value_of(await answer) == history([0, 1])
        assert value_of(await frontend.frames.estimate(frame(2))) == history([0, 1, 2])
