"""Workers that die, stop, lose their device or their connection: no frame is lost with them."""

import asyncio

import pytest

from model.engines.base import EngineError
from service.contract.messages import EncodedFrame, FrameResult
from service.pipeline.pipeline import Pipeline
from service.pipeline.request import Priority
from service.redis.keys import GROUP, Keyspace
from service.redis.queue.consumer_group import (
    MOST_DELIVERIES,
    ConsumerGroup,
    ShardMismatch,
    WorkerRegistry,
    queue_scripts,
)
from tests.support.fleet import LEASE_S, at_device, deployed, fleet, streamed
from tests.support.pipelines import eventually, frame, value_of
from tests.support.trackers import history


async def test_what_a_killed_worker_had_is_taken_over(redis_url: str) -> None:
    """In the middle of a batch: another worker goes on from the last commit, with the joints of an unbroken run."""
    async with deployed(redis_url) as (deployment, frontend):
        await frontend.frames.estimate(frame(0))
        [first] = deployment.workers
        answer = await at_device(first, frontend, frame(1))
        await first.kill()
        second = await deployment.worker()
        assert value_of(await answer) == history([0, 1])
        assert second.metrics.registry.get_sample_value("kinepose_frames_claimed_total") == 1
        assert value_of(await frontend.frames.estimate(frame(2))) == history([0, 1, 2])
        assert await deployment.left() == (0, 0)


async def test_a_worker_that_is_told_to_stop_finishes_what_it_has(redis_url: str) -> None:
    """Then it takes no more, and another worker gets the next frame."""
    async with deployed(redis_url) as (deployment, frontend):
        [first] = deployment.workers
        answer = await at_device(first, frontend, frame(0))
        stopping = asyncio.create_task(first.stop())
        first.tracker.let_go()
        assert await stopping
        assert value_of(await answer) == history([0])
        second = await deployment.worker()
        assert value_of(await frontend.frames.estimate(frame(1))) == history([0, 1])
        assert second.tracker.batches == [[(1, 1)]]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_lost_device_costs_no_frame(redis_url: str, streams: bool) -> None:
    """Its frames are left for another worker, also those of a stream."""
    async with deployed(redis_url) as (deployment, frontend):
        [first] = deployment.workers
        first.tracker.raises.append(EngineError("context lost", sticky=True))
        send = streamed if streams else _one
        answers = asyncio.create_task(send(frontend, frame(0)))
        await first.executor.device_lost()
        await asyncio.wait({first.run})
        await deployment.worker()
        [answer] = await answers
        assert value_of(answer) == history([0])


async def _one(frontend: Pipeline, sent: EncodedFrame) -> list[FrameResult]:
    return [await frontend.frames.estimate(sent)]


async def test_outages_do_not_count_against_a_frame(redis_url: str) -> None:
    """A worker that finds its own frames again, however often, has not died with them."""
    async with deployed(redis_url, max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        answer = await at_device(worker, frontend, frame(0))
        group = ConsumerGroup(queue_scripts(deployment.client), deployment.keyspace, worker.name, LEASE_S)
        for _ in range(2 * MOST_DELIVERIES):
            [found], taken_over = await group.unfinished(())
            assert taken_over == []
        delivery = found.request.delivery
        assert delivery is not None
        pending = await deployment.client.xpending_range(delivery.stream, GROUP, "-", "+", 9)
        assert [entry["times_delivered"] for entry in pending] == [1]
        worker.tracker.let_go()
        assert value_of(await answer) == history([0])


async def test_what_was_taken_over_and_left_is_told_apart(redis_url: str) -> None:
    """When Redis is back it is computed alone, as it would have been: it may be what ended the worker before."""
    async with deployed(redis_url, max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        answer = await at_device(worker, frontend, frame(0))
        group = ConsumerGroup(queue_scripts(deployment.client), deployment.keyspace, worker.name, LEASE_S)
        [found], _ = await group.unfinished(())
        delivery = found.request.delivery
        assert delivery is not None
        await deployment.client.xclaim(delivery.stream, GROUP, worker.name, 0, [delivery.entry])
        fresh, [taken_over] = await group.unfinished(())
        assert fresh == []
        assert taken_over.request.delivery is not None
        assert taken_over.request.delivery.place == delivery.place
        worker.tracker.let_go()
        assert value_of(await answer) == history([0])


async def test_workers_that_are_gone_are_struck_out(redis_url: str) -> None:
    """Of every group, unless they hold a frame."""
    async with fleet(redis_url, workers=0) as deployment:
        stream = deployment.keyspace.stream(0, Priority.LIVE)
        group = ConsumerGroup(queue_scripts(deployment.client), deployment.keyspace, "another", 1e-6)
        await group.open()
        await deployment.client.xgroup_createconsumer(stream, GROUP, "long gone")
        await deployment.client.xgroup_createconsumer(stream, GROUP, "holds one")
        await deployment.client.xadd(stream, {"job": b"{}", "picture": b""}, id="1-1")
        await deployment.client.xclaim(stream, GROUP, "holds one", 0, ["1-1"], force=True)

        async def struck_out() -> bool:
            await group.open()
            names = {one["name"] for one in await deployment.client.xinfo_consumers(stream, GROUP)}
            assert b"holds one" in names
            return b"long gone" not in names

        await eventually(struck_out)


async def test_processes_with_other_shards_do_not_fit(redis_url: str) -> None:
    """They would look for sessions elsewhere."""
    async with fleet(redis_url) as deployment:
        other = Keyspace(deployment.settings.redis_prefix, 9)
        registry = WorkerRegistry(queue_scripts(deployment.client), other, LEASE_S, "stranger")
        with pytest.raises(ShardMismatch, match="8"):
            await registry.beat()
        assert "stranger" not in deployment.workers[0].consumer.registry.workers
