"""Probes and the end of a server's life."""

import asyncio

import pytest

from model.engines.base import EngineError
from model.values import Frame
from service.contract.messages import DropPolicy, Outcome, SessionOptions
from service.errors import Draining, WorkerFailed
from tests.support.pipelines import ManualClock, Source, counted, frame, in_flight, make_pipeline, running, until
from tests.support.trackers import FakeTracker, grey


@pytest.fixture
def tracker() -> FakeTracker:
    """What computes: a fake."""
    return FakeTracker()


async def test_ready_computes_a_real_frame_and_remembers_it_for_a_second(tracker: FakeTracker) -> None:
    """Probes do not load the device."""
    clock = ManualClock()
    async with running(tracker, clock=clock) as pipeline:
        clock.advance(5)
        batches = len(tracker.batches)
        for _ in range(3):
            assert await pipeline.lifecycle.ready()
        assert len(tracker.batches) == batches + 1
        clock.advance(1)
        assert await pipeline.lifecycle.ready()
        assert len(tracker.batches) == batches + 2


async def test_probes_at_once_share_one_forward_pass(tracker: FakeTracker) -> None:
    """Many probers cost as much as one."""
    clock = ManualClock()
    async with running(tracker, clock=clock) as pipeline:
        clock.advance(5)
        batches = len(tracker.batches)
        assert await asyncio.gather(*(pipeline.lifecycle.ready() for _ in range(5))) == [True] * 5
        assert len(tracker.batches) == batches + 1


async def test_device_that_fails_the_probe_is_not_ready_but_alive(tracker: FakeTracker) -> None:
    """It may come back."""
    clock = ManualClock()
    async with running(tracker, clock=clock) as pipeline:
        clock.advance(5)
        tracker.raises.append(EngineError("busy", sticky=False))
        assert not await pipeline.lifecycle.ready()
        assert pipeline.lifecycle.live()
        clock.advance(1)
        assert await pipeline.lifecycle.ready()


async def test_device_that_hangs_is_not_ready(tracker: FakeTracker) -> None:
    """A probe that gets no answer in time counts as failed."""
    clock = ManualClock()
    async with running(tracker, clock=clock, ready_timeout_s=0.01) as pipeline:
        clock.advance(5)
        tracker.hold()
        assert not await pipeline.lifecycle.ready()
        tracker.let_go()


async def test_device_that_hangs_in_a_frame_is_not_ready_whatever_came_through_before(tracker: FakeTracker) -> None:
    """Nor where other loops of the same device go on."""
    clock = ManualClock()
    async with running(tracker, clock=clock, ready_timeout_s=20.0) as pipeline:
        await pipeline.frames.estimate(frame(0))
        tracker.hold()
        hung = asyncio.create_task(pipeline.frames.estimate(frame(1)))
        await tracker.entered()
        assert await pipeline.lifecycle.ready()
        clock.advance(21)
        assert not await pipeline.lifecycle.ready()
        tracker.let_go()
        await hung
        assert await pipeline.lifecycle.ready()


async def test_lost_device_is_neither_ready_nor_alive(tracker: FakeTracker) -> None:
    """Only a new process helps, and every frame gets that error at once."""
    async with running(tracker) as pipeline:
        tracker.raises.append(EngineError("context lost", sticky=True))
        with pytest.raises(WorkerFailed):
            await pipeline.frames.estimate(frame(0))
        assert not pipeline.lifecycle.live()
        assert not await pipeline.lifecycle.ready()
        with pytest.raises(WorkerFailed):
            await pipeline.frames.estimate(frame(0))


async def test_drain_refuses_what_is_new_and_finishes_what_was_accepted(tracker: FakeTracker) -> None:
    """Frames and sessions get Draining with a time to try again; readiness is off at once."""
    async with running(tracker) as pipeline:
        tracker.hold()
        accepted = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        draining = asyncio.ensure_future(pipeline.drain())
        await asyncio.sleep(0)
        assert not await pipeline.lifecycle.ready()
        with pytest.raises(Draining) as raised:
            await pipeline.frames.estimate(frame(1))
        assert raised.value.retry_after_ms is not None
        with pytest.raises(Draining):
            await pipeline.sessions.create(SessionOptions())
        assert not draining.done()
        tracker.let_go()
        await draining
        assert (await accepted).outcome is Outcome.OK


async def test_drain_ends_streams_after_the_frames_they_took_in(tracker: FakeTracker) -> None:
    """The client gets those results, and then the error."""
    async with running(tracker) as pipeline:
        tracker.hold()
        frames = Source(frame(0), frame(1))
        seqs: list[int] = []

        async def consume() -> None:
            async for result in pipeline.frames.stream("s", aiter(frames), DropPolicy.WAIT):
                seqs.append(result.seq)

        consumer = asyncio.ensure_future(consume())
        await in_flight(pipeline, 2)
        draining = asyncio.ensure_future(pipeline.drain())
        await asyncio.sleep(0)
        tracker.let_go()
        with pytest.raises(Draining):
            await consumer
        await draining
    assert seqs == [0, 1]


async def test_drain_lets_a_clip_come_to_its_end(tracker: FakeTracker) -> None:
    """Frames of a clip that was begun are still taken, until its session is closed."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate_decoded("s", 0, Frame(grey(1)))
        draining = asyncio.ensure_future(pipeline.drain())
        await asyncio.sleep(0)
        assert (await pipeline.frames.estimate_decoded("s", 1, Frame(grey(2)))).outcome is Outcome.OK
        assert not draining.done()
        await pipeline.sessions.close("s")
        await draining


async def test_drain_is_bounded_by_its_grace_period(tracker: FakeTracker) -> None:
    """A frame that does not end is cancelled, and its caller learns why."""
    async with running(tracker, drain_grace_s=0.01) as pipeline:
        tracker.hold()
        stuck = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        await pipeline.drain()
        with pytest.raises(Draining):
            await stuck
        tracker.let_go()


async def test_closing_leaves_nobody_waiting(tracker: FakeTracker) -> None:
    """Every frame in flight ends with an error when the pipeline is closed under it."""
    pipeline = make_pipeline(tracker)
    await pipeline.start()
    await pipeline.sessions.create(SessionOptions(), "s")
    tracker.hold()
    frames = [asyncio.ensure_future(pipeline.frames.estimate(frame(seq))) for seq in range(3)]
    await tracker.entered()
    await until(lambda: counted(pipeline, "pending_frames") == 3)
    closing = asyncio.ensure_future(pipeline.aclose())
    ends = await asyncio.gather(*frames, return_exceptions=True)
    tracker.let_go()
    await closing
    assert all(isinstance(end, Draining) for end in ends)
