"""Streams: one result for every frame taken in, in order, whatever happens to the frames."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from model.engines.base import EngineError
from service.contract.messages import DropPolicy, EncodedFrame, FrameResult, Outcome
from service.errors import SessionExpired, SessionUnknown
from tests.support.pipelines import (
    ManualClock,
    Source,
    counted,
    frame,
    in_flight,
    running,
    until,
    value_of,
)
from tests.support.trackers import BROKEN, FakeTracker, history


def source(*frames: EncodedFrame) -> Source:
    """A client that sends these frames and then no more."""
    made = Source(*frames)
    made.end()
    return made


async def collect(results: AsyncIterator[FrameResult]) -> list[FrameResult]:
    """All results."""
    async with asyncio.timeout(20):
        return [result async for result in results]


def outcomes(results: list[FrameResult]) -> list[str]:
    """seq and outcome, or error code, of each."""
    return [f"{result.seq} {result.error_code or result.outcome}" for result in results]


@pytest.mark.parametrize("policy", list(DropPolicy))
async def test_slow_enough_stream_is_computed_whole(tracker: FakeTracker, policy: DropPolicy) -> None:
    """Results come in order, and each continues from the one before."""
    async with running(tracker, stream_buffer=20) as pipeline:
        results = await collect(
            pipeline.frames.stream("s", aiter(source(*(frame(n, pts_us=n) for n in range(20)))), policy)
        )
    assert [result.seq for result in results] == list(range(20))
    assert [value_of(result) for result in results] == [history(list(range(n + 1))) for n in range(20)]
    assert [result.pts_us for result in results] == list(range(20))


async def test_policy_wait_holds_the_client_back(tracker: FakeTracker) -> None:
    """No frame is left out; the client's next frames are not read while the buffer is full."""
    async with running(tracker, stream_buffer=2, stream_depth=1) as pipeline:
        tracker.hold()
        frames = source(*(frame(n) for n in range(10)))
        running_stream = asyncio.ensure_future(collect(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)))
        await tracker.entered()
        for _ in range(50):
            await asyncio.sleep(0)
        assert frames.taken == 4  # one in work, two in the buffer, one in the reader's hand
        tracker.let_go()
        results = await running_stream
    assert outcomes(results) == [f"{n} ok" for n in range(10)]


@pytest.mark.parametrize(("policy", "kept"), [(DropPolicy.DROP_OLDEST, {0, 5, 6}), (DropPolicy.DROP_LATEST, {0, 1, 2})])
async def test_dropped_frames_are_told_in_their_place_and_spend_their_seq(
    tracker: FakeTracker, policy: DropPolicy, kept: set[int]
) -> None:
    """With a buffer of two and the device busy, the policy says who goes."""
    async with running(tracker, stream_buffer=2, stream_depth=1) as pipeline:
        tracker.hold()
        frames = Source(*(frame(n) for n in range(7)))
        results = asyncio.ensure_future(collect(pipeline.frames.stream("s", aiter(frames), policy)))
        await until(lambda: frames.taken == 7)
        await tracker.entered()
        for _ in range(20):
            await asyncio.sleep(0)
        tracker.let_go()
        frames.end()
        found = await results
        assert outcomes(found) == [f"{n} ok" if n in kept else f"{n} frame_dropped" for n in range(7)]
        assert {result.outcome for result in found} == {Outcome.OK, Outcome.DROPPED}
        assert value_of(found[max(kept)]) == history(sorted(kept))
        assert (await pipeline.sessions.info("s")).next_seq == 7
        assert counted(pipeline, "frames_total", transport="grpc", outcome="dropped") == 4


async def test_frame_s_error_is_its_result_and_the_stream_goes_on(tracker: FakeTracker) -> None:
    """A broken picture, a bug, a pts that goes back: each uses up its own seq only."""
    async with running(tracker) as pipeline:
        frames = source(
            frame(0, pts_us=10),
            frame(1, pts_us=20, image=b"broken"),
            frame(2, pts_us=30, shade=BROKEN),
            frame(3, pts_us=5),
            frame(4, pts_us=40),
        )
        results = await collect(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT))
    assert outcomes(results) == ["0 ok", "1 bad_image", "2 internal", "3 pts_not_increasing", "4 ok"]
    assert results[1].outcome is Outcome.ERROR
    assert results[1].people == ()
    assert results[1].error_detail
    assert value_of(results[4]) == history([0, 4])


async def test_frame_out_of_order_on_a_stream_spends_nothing(tracker: FakeTracker) -> None:
    """A gap is answered in its place; the frame that was expected may still come."""
    async with running(tracker) as pipeline:
        frames = source(frame(0), frame(5), frame(1))
        results = await collect(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT))
    assert outcomes(results) == ["0 ok", "5 seq_out_of_order", "1 ok"]


async def test_frame_sent_twice_on_a_stream_gets_its_answer_twice(tracker: FakeTracker) -> None:
    """One result for each frame taken in, replays too."""
    async with running(tracker) as pipeline:
        results = await collect(
            pipeline.frames.stream("s", aiter(source(frame(0), frame(0), frame(1))), DropPolicy.WAIT)
        )
    assert outcomes(results) == ["0 ok", "0 ok", "1 ok"]
    assert results[0] is results[1]


async def test_frame_whose_deadline_passes_is_told_expired(tracker: FakeTracker) -> None:
    """It uses up its seq, and those after it are computed."""
    async with running(tracker) as pipeline:
        past = asyncio.get_running_loop().time() - 1
        frames = source(frame(0), frame(1, deadline=past), frame(2))
        results = await collect(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT))
    assert [result.outcome for result in results] == [Outcome.OK, Outcome.EXPIRED, Outcome.OK]
    assert value_of(results[2]) == history([0, 2])


async def test_device_failure_costs_a_stream_one_frame(tracker: FakeTracker) -> None:
    """The next frames are under way already, so the failed one uses up its seq."""
    async with running(tracker) as pipeline:
        tracker.raises.append(EngineError("out of memory", sticky=False))
        results = await collect(pipeline.frames.stream("s", aiter(source(frame(0), frame(1))), DropPolicy.WAIT))
    assert outcomes(results) == ["0 worker_failed", "1 ok"]


async def test_next_frame_is_decoded_while_this_one_is_computed(tracker: FakeTracker) -> None:
    """Two frames of a stream are in work at once."""
    async with running(tracker, stream_depth=2) as pipeline:
        tracker.hold()
        results = asyncio.ensure_future(
            collect(pipeline.frames.stream("s", aiter(source(frame(0), frame(1))), DropPolicy.WAIT))
        )
        await tracker.entered()
        decoded = "compute_duration_seconds_count"
        await until(lambda: counted(pipeline, decoded, stage="decode") == 2)
        tracker.let_go()
        assert outcomes(await results) == ["0 ok", "1 ok"]


async def test_stream_of_a_session_that_is_not_there_ends_at_once(tracker: FakeTracker) -> None:
    """Before a frame is read."""
    async with running(tracker) as pipeline:
        frames = source(frame(0))
        with pytest.raises(SessionUnknown):
            await collect(pipeline.frames.stream("nobody", aiter(frames), DropPolicy.WAIT))
        assert frames.taken == 0


async def test_session_that_expires_between_frames_ends_its_stream(tracker: FakeTracker) -> None:
    """By raising, after the results so far."""
    clock = ManualClock()
    async with running(tracker, clock=clock, session_ttl_s=10) as pipeline:
        frames = Source(frame(0))
        results = pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)
        assert (await anext(results)).seq == 0
        await in_flight(pipeline, 0)
        clock.advance(11)
        frames.put(frame(1))
        with pytest.raises(SessionExpired):
            await anext(results)


async def test_client_that_breaks_off_gets_its_frames_answered_first(tracker: FakeTracker) -> None:
    """What the client's side raises comes out of the stream, after the results of the frames before."""
    async with running(tracker) as pipeline:
        frames = Source(frame(0), frame(1))
        frames.end(ConnectionResetError("gone"))
        results = pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)
        assert [(await anext(results)).seq for _ in range(2)] == [0, 1]
        with pytest.raises(ConnectionResetError):
            await anext(results)


async def test_client_gone_in_the_middle_leaves_nothing_behind(tracker: FakeTracker) -> None:
    """Cancelling the consumer takes its frames out of the queue and frees their places; the session stays."""
    async with running(tracker) as pipeline:
        tracker.hold()
        tasks_before = asyncio.all_tasks()
        frames = Source(*(frame(n) for n in range(10)))
        consumer = asyncio.ensure_future(collect(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)))
        await tracker.entered()
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
        assert counted(pipeline, "pending_frames") == 0
        tracker.let_go()
        await until(lambda: asyncio.all_tasks() == tasks_before)
        assert value_of(await pipeline.frames.estimate(frame(0))) == history([0])


async def test_consumer_that_closes_the_stream_leaves_nothing_behind(tracker: FakeTracker) -> None:
    """As if it had been cancelled."""
    async with running(tracker) as pipeline:
        frames = Source(*(frame(n) for n in range(10)))
        async with aclosing(pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT)) as results:
            assert (await anext(results)).seq == 0
        await in_flight(pipeline, 0)
