"""What keeps a worker that hangs, and a frame that kills, from taking everything down."""

import asyncio

import cv2
import numpy as np
import pytest

from service.contract.messages import FrameResult
from service.errors import PoisonFrame, QueueFull
from service.pipeline.pipeline import Pipeline
from service.pipeline.request import Priority
from tests.support.fleet import Fleet, at_device, deployed, opened, replaced_where_struck
from tests.support.pipelines import counted, eventually, frame, until, value_of
from tests.support.redis_server import own_redis
from tests.support.trackers import DEADLY, history

KIB = 1024
NAMES = [f"s{number}" for number in range(20)]
LARGE = cv2.imencode(".png", np.random.default_rng(0).integers(0, 200, (178, 192, 3), np.uint8))[1].tobytes()
"""A picture of about 100 KiB."""
SOME_KIB = {"redis_shards": 1, "max_batch": 1, "max_stream_bytes": 500 * KIB, "worker_lease_s": 6}


async def flooded(frontend: Pipeline, names: list[str], most: int) -> "set[asyncio.Task[FrameResult]]":
    """Send a frame of 100 KiB for each session, all at once; those that wait. So many others are refused."""
    sent = [frame(0, session=name, image=LARGE) for name in names]
    calls = {asyncio.create_task(frontend.frames.estimate(one)) for one in sent}
    await until(lambda: sum(call.done() for call in calls) == len(calls) - most)
    waiting = {call for call in calls if not call.done()}
    for call in calls - waiting:
        with pytest.raises(QueueFull, match="bytes") as raised:
            await call
        assert raised.value.retry_after_ms
    return waiting


async def bytes_held(deployment: Fleet) -> int:
    """By the stream of live frames."""
    return int(await deployment.client.memory_usage(deployment.keyspace.stream(0, Priority.LIVE), samples=0) or 0)


async def test_a_worker_that_hangs_does_not_let_its_stream_grow_without_end(redis_url: str) -> None:
    """What goes beyond the stream's bytes is refused with a time to try again; other frontends soon see it, too."""
    async with deployed(redis_url, *NAMES, **SOME_KIB) as (deployment, frontend):
        other = await deployment.frontend()
        [worker] = deployment.workers
        at_work = await at_device(worker, frontend, frame(0, session=NAMES[0]))
        waiting = await flooded(frontend, NAMES[1:], 4)
        await until(lambda: counted(other, "stream_frames", line="live") == 5)
        with pytest.raises(QueueFull, match="bytes"):
            await other.frames.estimate(frame(0, session=NAMES[-1], image=LARGE))
        assert await bytes_held(deployment) < 500 * KIB
        worker.tracker.let_go()
        assert value_of(await at_work) == history([0])
        await asyncio.wait(waiting)


async def test_a_frame_beyond_the_limit_goes_alone(redis_url: str) -> None:
    """A stream that is empty takes any frame."""
    async with deployed(redis_url, redis_shards=1, max_stream_bytes=1) as (_, frontend):
        for seq in range(3):
            assert value_of(await frontend.frames.estimate(frame(seq))) == history(list(range(seq + 1)))


async def test_a_full_redis_takes_fewer_bytes() -> None:
    """At its memory limit streams hold a part of what they may, so that it does not grow far beyond."""
    with own_redis() as redis:
        async with deployed(redis.url, *NAMES, **(SOME_KIB | {"max_stream_bytes": 1600 * KIB})) as (
            deployment,
            frontend,
        ):
            [worker] = deployment.workers
            await frontend.frames.estimate(frame(0, session=NAMES[0]))
            await deployment.client.config_set("maxmemory", "1")
            at_work = await at_device(worker, frontend, frame(1, session=NAMES[0]))
            assert not await flooded(frontend, NAMES[1:], 0)
            worker.tracker.let_go()
            assert value_of(await at_work) == history([0, 1])
            await deployment.client.config_set("maxmemory", "0")


async def test_a_frame_that_ends_its_workers_is_given_to_two(redis_url: str) -> None:
    """Then it is `poison`, also when it is sent again; the session goes on with the next one."""
    async with deployed(redis_url) as (deployment, frontend):
        answer = asyncio.create_task(frontend.frames.estimate(frame(0)))
        for _ in range(2):
            worker = deployment.workers[-1]
            worker.tracker.hold()
            await worker.tracker.entered()
            await worker.kill()
            third = await deployment.worker()
        with pytest.raises(PoisonFrame) as raised:
            await answer
        assert (raised.value.code, raised.value.session_id, raised.value.seq) == ("poison", "s", 0)
        with pytest.raises(PoisonFrame):
            await frontend.frames.estimate(frame(0, 9))
        assert third.tracker.batches == []
        assert value_of(await frontend.frames.estimate(frame(1, 9))) == history([9])
        assert await deployment.left() == (0, 0)
        await opened(frontend, "another")


def sent(frontend: Pipeline, *names: str, shade: int = 0) -> "list[asyncio.Task[FrameResult]]":
    """The first frames of these sessions, under way."""
    return [asyncio.create_task(frontend.frames.estimate(frame(0, shade, session=name))) for name in names]


@pytest.mark.parametrize("deadly", [1, 2])
async def test_frames_beside_those_that_end_their_workers_are_answered(redis_url: str, deadly: int) -> None:
    """Whatever these workers had in hand, or were sent meanwhile: only those that end them are `poison`."""
    async with deployed(redis_url, *NAMES) as (deployment, frontend):
        [worker] = deployment.workers
        worker.tracker.hold()
        answers = sent(frontend, *NAMES[4:14])
        poison = sent(frontend, NAMES[0], shade=DEADLY)
        await eventually(lambda: all_taken(deployment, 11))
        poison += sent(frontend, *NAMES[1:deadly], shade=DEADLY)
        answers += sent(frontend, *NAMES[14:])
        worker.tracker.let_go()
        ended = await replaced_where_struck(deployment, [*answers, *poison])

        assert [value_of(await answer) for answer in answers] == [history([0])] * 16
        for answer in poison:
            with pytest.raises(PoisonFrame):
                await answer
        assert deadly < ended <= 2 * deadly
        assert await deployment.left() == (0, 0)


async def all_taken(deployment: Fleet, frames: int) -> bool:
    """Whether workers have taken so many."""
    return (await deployment.left())[1] == frames
