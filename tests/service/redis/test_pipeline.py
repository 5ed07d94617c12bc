"""The way of a frame with its sessions in Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from model.skeletons import KINEPOSE_13
from service.config import Settings
from service.contract.messages import DropPolicy, SessionOptions, Smoothing
from service.errors import StoreUnavailable
from service.inference.executor import LocalExecutor
from service.inference.loaded_model import LoadedModel
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.processes.wiring import open_redis
from service.redis.sessions.store import RedisSessions
from tests.support.pipelines import CARD, Source, frame, value_of
from tests.support.redis_server import OwnRedis, own_redis
from tests.support.trackers import FakeTracker, history


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    """A Redis of this test's own."""
    with own_redis() as redis:
        yield redis


@asynccontextmanager
async def faked(redis: OwnRedis) -> AsyncIterator[Pipeline]:
    """A pipeline of a fake tracker with its sessions in this Redis."""
    settings = Settings(redis_url=SecretStr(redis.url), redis_timeout_s=20.0)
    metrics = Metrics()
    async with open_redis(settings) as client:
        store = RedisSessions(client, settings, metrics)
        executor = LocalExecutor(settings, LoadedModel(CARD, KINEPOSE_13, FakeTracker()), store, metrics)
        pipeline = Pipeline(settings, CARD, executor, store, metrics=metrics)
        try:
            await pipeline.start()
            yield pipeline
        finally:
            await pipeline.aclose()


@pytest.mark.slow
async def test_frame_that_fails_for_redis_leaves_the_session_as_it_was(redis: OwnRedis) -> None:
    """Sent again when Redis is back, it goes on from the frame before, as if nothing had been."""
    async with faked(redis) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "s")
        await pipeline.frames.estimate(frame(0))
        redis.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as raised:
                await pipeline.frames.estimate(frame(1))
            assert raised.value.retry_after_ms is not None
            assert (raised.value.session_id, raised.value.code) == ("s", "store_unavailable")
        redis.start()
        assert value_of(await pipeline.frames.estimate(frame(1))) == history([0, 1])


@pytest.mark.slow
async def test_stream_ends_when_redis_goes_and_another_goes_on(redis: OwnRedis) -> None:
    """Its answers so far were given; the session tells where to go on."""
    async with faked(redis) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "s")
        frames = Source(frame(0))
        results = pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)
        assert (await anext(results)).seq == 0
        redis.kill()
        frames.put(frame(1))
        with pytest.raises(StoreUnavailable):
            await anext(results)
        redis.start()
        next_seq = (await pipeline.sessions.info("s")).next_seq
        frames = Source(*(frame(seq) for seq in range(next_seq, 4)))
        frames.end()
        values = [value_of(result) async for result in pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)]
        assert values[-1] == history([0, 1, 2, 3])


@pytest.mark.slow
async def test_without_redis_it_is_not_ready_but_alive(redis: OwnRedis) -> None:
    """And ready again when Redis is back; a session that could not be closed is closed then."""
    async with faked(redis) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "s")
        assert await pipeline.lifecycle.ready()
        redis.kill()
        assert not await pipeline.lifecycle.ready()
        assert pipeline.lifecycle.live()
        with pytest.raises(StoreUnavailable):
            await pipeline.sessions.close("s")
        redis.start()
        assert await pipeline.lifecycle.ready()
        await pipeline.frames.estimate(frame(0))
        await pipeline.sessions.close("s")


async def test_smooth_joints_do_not_depend_on_which_worker_goes_on(redis: OwnRedis) -> None:
    """To the last bit: the filter is part of the session's state."""
    options = SessionOptions(smoothing=Smoothing.ONE_EURO, max_people=2)
    frames = [frame(seq, 7 * seq, pts_us=40_000 * seq) for seq in range(8)]
    async with faked(redis) as one:
        await one.sessions.create(options, "s")
        alone = [await one.frames.estimate(each) for each in frames]
        await one.sessions.close("s")
    async with faked(redis) as one, faked(redis) as other:
        await one.sessions.create(options, "t")
        turns = [await (one, other)[each.seq % 2].frames.estimate(replace(each, session_id="t")) for each in frames]

    assert [result.kinematics for result in turns] == [result.kinematics for result in alone]
    assert all(result.kinematics for result in alone)
