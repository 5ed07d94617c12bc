"""The way of a frame from a frontend to a worker and back, through a real Redis."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.values import Frame, Region
from service.contract.messages import DropPolicy, Outcome
from service.errors import (
    BadImage,
    DeadlinePassed,
    NoWorker,
    QueueFull,
    SeqOutOfOrder,
    SessionUnknown,
    StaleCommit,
    StoreUnavailable,
    TooManySessions,
)
from service.observability.metrics import Metrics
from service.pipeline.request import Priority
from service.redis.keys import GROUP
from service.redis.queue.consumer import BLOCK_MS
from service.redis.queue.consumer_group import (
    ConsumerGroup,
)
from service.redis.sessions.store import RedisSessions
from tests.support.fleet import LEASE_S, Fleet, at_device, deployed, fleet, opened, streamed
from tests.support.pipelines import Source, counted, eventually, frame, in_flight, until, value_of
from tests.support.redis_server import own_redis
from tests.support.trackers import grey, history


async def test_frames_come_back_with_the_joints_of_an_unbroken_run(redis_url: str) -> None:
    """One after the other and as a stream; at the end nothing is left in any stream."""
    async with deployed(redis_url) as (deployment, frontend):
        assert value_of(await frontend.frames.estimate(frame(0))) == history([0])
        results = await streamed(frontend, *(frame(seq) for seq in range(1, 6)))
        assert [value_of(result) for result in results] == [history(list(range(end))) for end in range(2, 7)]
        assert await deployment.left() == (0, 0)


async def test_frontends_take_turns_in_one_session(redis_url: str) -> None:
    """Each frame through another frontend, and each again through the other: a replay of the same answer."""
    async with fleet(redis_url, workers=2) as deployment:
        one, other = deployment.frontends[0], await deployment.frontend()
        await opened(one)
        for seq in range(6):
            answer = await one.frames.estimate(frame(seq))
            again = await other.frames.estimate(frame(seq))
            assert value_of(answer) == value_of(again) == history(list(range(seq + 1)))
            one, other = other, one


async def test_a_frame_sent_through_two_frontends_at_once_is_computed_once(redis_url: str) -> None:
    """Both get the one answer."""
    async with fleet(redis_url) as deployment:
        one, other = deployment.frontends[0], await deployment.frontend()
        await opened(one)
        [worker] = deployment.workers
        worker.tracker.hold()
        answers = [asyncio.create_task(frontend.frames.estimate(frame(0))) for frontend in (one, other)]
        await worker.tracker.entered()
        worker.tracker.let_go()
        assert [value_of(answer) for answer in await asyncio.gather(*answers)] == [history([0])] * 2
        assert worker.tracker.batches == [[(0, 0)]]


async def test_sessions_stay_with_their_worker(redis_url: str) -> None:
    """Each session's frames are computed by one worker, whose state of it is hot; both workers have sessions."""
    names = [f"s{number}" for number in range(12)]
    async with fleet(redis_url, workers=2) as deployment:
        [frontend] = deployment.frontends
        await until(lambda: all(len(worker.consumer.registry.own_shards) == 4 for worker in deployment.workers))
        await eventually(lambda: _each_reads_its_own(deployment))
        await opened(frontend, *names)
        for seq in range(3):
            await asyncio.gather(
                *(frontend.frames.estimate(frame(seq, 12 * seq + at, name)) for at, name in enumerate(names))
            )
        seen = [{shade % 12 for batch in worker.tracker.batches for shade, _ in batch} for worker in deployment.workers]
        assert seen[0] | seen[1] == set(range(12))
        assert not seen[0] & seen[1]
        assert all(seen)


async def _each_reads_its_own(deployment: Fleet) -> bool:
    """No worker's last read of a shard that is not its own any more is under way; Redis ends them a little late."""
    for worker in deployment.workers:
        for shard in {*range(8)} - {*worker.consumer.registry.own_shards}:
            stream = deployment.keyspace.stream(shard, Priority.LIVE)
            for consumer in await deployment.client.xinfo_consumers(stream, GROUP):
                if consumer["name"].decode() == worker.name and consumer["idle"] <= 2 * BLOCK_MS:
                    return False
    return True


async def test_an_answer_that_is_lost_is_asked_for_again(redis_url: str) -> None:
    """The frame is not computed twice: the store has its answer."""
    async with deployed(redis_url) as (deployment, frontend):
        [worker] = deployment.workers
        answer = await at_device(worker, frontend, frame(0))
        await deployment.client.client_kill_filter(_type="pubsub")
        worker.tracker.let_go()
        assert value_of(await answer) == history([0])
        assert worker.tracker.batches == [[(0, 0)]]


async def test_frames_that_nobody_waits_for_are_not_computed(redis_url: str) -> None:
    """Withdrawn while it waits behind another one: its session is as it was, and no stream holds it."""
    async with deployed(redis_url, "a", "b", max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        first = await at_device(worker, frontend, frame(0, session="a"))
        gone = asyncio.create_task(frontend.frames.estimate(frame(0, 77, session="b")))
        await until(lambda: len(worker.consumer.frames.at_work) == 2)
        gone.cancel()
        await until(lambda: len(worker.consumer.frames.at_work) == 1)
        worker.tracker.let_go()
        await first
        assert value_of(await frontend.frames.estimate(frame(0, 5, session="b"))) == history([5])
        assert worker.tracker.batches == [[(0, 0)], [(5, 0)]]
        assert await deployment.left() == (0, 0)


async def test_a_deadline_that_passes_in_the_queue_is_told(redis_url: str) -> None:
    """The frame's seq stays open; sent again it is computed."""
    async with deployed(redis_url, "a", "b", max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        first = await at_device(worker, frontend, frame(0, session="a"))
        deadline = asyncio.get_running_loop().time() + 0.05
        with pytest.raises(DeadlinePassed):
            await frontend.frames.estimate(replace(frame(0, session="b"), deadline=deadline))
        worker.tracker.let_go()
        await first
        assert value_of(await frontend.frames.estimate(frame(0, session="b"))) == history([0])


async def test_a_deadline_on_a_stream_spends_its_frame_alone(redis_url: str) -> None:
    """It ends as expired; the frames behind it go on from the one before."""
    async with deployed(redis_url, "a", "b", max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        first = await at_device(worker, frontend, frame(0, session="a"))
        late = replace(frame(0, session="b"), deadline=asyncio.get_running_loop().time() + 0.05)
        source = Source(late, frame(1, session="b"))
        source.end()
        results = frontend.frames.stream("b", aiter(source), DropPolicy.WAIT)
        assert (await anext(results)).outcome is Outcome.EXPIRED
        worker.tracker.let_go()
        assert value_of(await anext(results)) == history([1])
        await first


async def test_a_broken_picture_fails_its_frame_and_spends_it(redis_url: str) -> None:
    """As in one process: the error is typed, sent again it is the same, the next frame goes on."""
    async with deployed(redis_url) as (_, frontend):
        for _ in range(2):
            with pytest.raises(BadImage):
                await frontend.frames.estimate(frame(0, image=b"no picture"))
        assert value_of(await frontend.frames.estimate(frame(1))) == history([1])


async def test_a_frame_whose_end_cannot_be_told_does_not_stay_in_its_stream(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection breaks as a frame that nobody waits for is taken out, which no other call notices."""
    async with deployed(redis_url, max_batch=1) as (deployment, frontend):
        [worker] = deployment.workers
        answer, broken, whole = ConsumerGroup.answer, asyncio.Event(), asyncio.Event()

        async def breaking(*arguments: Any, **named: Any) -> None:
            if not broken.is_set():
                broken.set()
                raise StoreUnavailable("the connection broke", retry_after_ms=1)
            await answer(*arguments, **named)
            whole.set()

        monkeypatch.setattr(ConsumerGroup, "answer", breaking)
        gone = await at_device(worker, frontend, frame(0))
        gone.cancel()
        async with asyncio.timeout(20):
            await broken.wait()
            worker.tracker.let_go()
            await whole.wait()
        assert await deployment.left() == (0, 0)
        assert value_of(await frontend.frames.estimate(frame(0, 5))) == history([5])


async def test_errors_of_order_and_of_unknown_sessions_are_told_as_in_one_process(redis_url: str) -> None:
    """With the seq that is expected."""
    async with deployed(redis_url) as (_, frontend):
        await frontend.frames.estimate(frame(0))
        with pytest.raises(SeqOutOfOrder) as raised:
            await frontend.frames.estimate(frame(2))
        assert raised.value.expected_seq == 1
        with pytest.raises(SessionUnknown):
            await frontend.frames.estimate(frame(0, session="nobody"))


async def test_frames_of_clips_arrive_as_they_were_decoded(redis_url: str) -> None:
    """Pixels, size, rotation, pts and region."""
    async with deployed(redis_url) as (_, frontend):
        region = Region(1.5, 2.5, 10.25, 20.0)
        sent = Frame(grey(7), pts_us=-5, rotation_applied=90)
        result = await frontend.frames.estimate_decoded("s", 0, sent, (region,))
        assert (result.pts_us, result.rotation_applied, result.people[0].region) == (-5, 90, region)
        assert (result.image_size, value_of(result)) == ((48, 32), history([7]))


async def test_without_a_worker_frames_are_refused_at_once(redis_url: str) -> None:
    """With a time to try again; the frontend is alive and not ready; with a worker it is."""
    async with deployed(redis_url, workers=0) as (deployment, frontend):
        with pytest.raises(NoWorker) as raised:
            await frontend.frames.estimate(frame(0))
        assert raised.value.retry_after_ms
        assert frontend.lifecycle.live()
        assert not await frontend.lifecycle.ready()
        await deployment.worker()
        assert await frontend.lifecycle.ready()
        assert value_of(await frontend.frames.estimate(frame(0))) == history([0])


async def test_a_full_stream_refuses(redis_url: str) -> None:
    """What is in it is answered all the same, and a stream's next frame waits for room."""
    async with deployed(redis_url, "a", "b", max_stream_frames=1, redis_shards=1, max_batch=1) as (
        deployment,
        frontend,
    ):
        [worker] = deployment.workers
        first = await at_device(worker, frontend, frame(0, session="a"))
        await until(lambda: counted(frontend, "stream_frames", line="live") == 1)
        with pytest.raises(QueueFull) as raised:
            await frontend.frames.estimate(frame(0, session="b"))
        assert raised.value.retry_after_ms
        waits_for_capacity = asyncio.create_task(streamed(frontend, frame(0, 8, session="b"), session="b"))
        await in_flight(frontend, 2)
        worker.tracker.let_go()
        assert value_of(await first) == history([0])
        assert [value_of(result) for result in await waits_for_capacity] == [history([8])]


async def test_a_full_redis_goes_on_with_the_sessions_it_has() -> None:
    """Workers go on beating and frames go on coming; only new sessions are refused."""
    with own_redis() as redis:
        async with fleet(redis.url) as deployment:
            [frontend] = deployment.frontends
            await opened(frontend)
            await frontend.frames.estimate(frame(0))
            await deployment.client.config_set("maxmemory", "1")
            assert value_of(await frontend.frames.estimate(frame(1))) == history([0, 1])
            with pytest.raises(TooManySessions):
                await opened(frontend, "another")
            await _beats_go_on(deployment)
            assert value_of(await frontend.frames.estimate(frame(2))) == history([0, 1, 2])
            assert await deployment.left() == (0, 0)
            await deployment.client.config_set("maxmemory", "0")


async def _beats_go_on(deployment: Fleet) -> None:
    """Wait for a beat two leases from now."""
    name, client = deployment.workers[0].name, deployment.client
    begin_s, _ = await client.time()

    async def has_beaten() -> bool:
        beat_ms = await client.zscore(deployment.keyspace.workers(), name)
        return beat_ms is not None and beat_ms > 1000 * (begin_s + 1 + 2 * LEASE_S)

    await eventually(has_beaten)


async def test_a_session_that_went_on_elsewhere_is_read_again(redis_url: str) -> None:
    """A worker whose hot state is old, since Redis lost its last write, starts from Redis's."""
    async with deployed(redis_url) as (deployment, frontend):
        await frontend.frames.estimate(frame(0))
        keys, client = deployment.keyspace.session("s"), deployment.client
        before: Any = {key: await client.dump(key) for key in keys}
        await frontend.frames.estimate(frame(1, 50))
        for key, value in before.items():
            await client.restore(key, await client.pttl(key), value, replace=True)
        await frontend.frames.estimate(frame(1, 60))
        other = RedisSessions(deployment.client, deployment.settings, Metrics())
        lost = await other.checkout("s", 2)
        assert value_of(await frontend.frames.estimate(frame(2))) == history([0, 60, 2])
        with pytest.raises(StaleCommit):
            await other.commit("s", lost.version, lost.state, await frontend.frames.estimate(frame(2)))


async def test_two_frontends_hear_their_own_answers_only(redis_url: str) -> None:
    """Many sessions at once through both; no answer goes to another session's client."""
    async with fleet(redis_url, workers=2) as deployment:
        frontends = [deployment.frontends[0], await deployment.frontend()]
        names = [f"s{number}" for number in range(10)]
        await opened(frontends[0], *names)
        shades = np.random.default_rng(1).integers(0, 200, (10, 4))

        async def run(at: int) -> None:
            for seq in range(4):
                sent = frame(seq, int(shades[at, seq]), names[at])
                answer = await frontends[at % 2].frames.estimate(sent)
                assert answer.session_id == names[at]
                assert value_of(answer) == history([int(shade) for shade in shades[at, : seq + 1]])

        await asyncio.gather(*(run(at) for at in range(10)))
        assert await deployment.left() == (0, 0)
        for frontend in frontends:
            await in_flight(frontend, 0)
            assert counted(frontend, "frames_asked_again_total") == 0
