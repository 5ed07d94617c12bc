"""The way of a single frame: order, replays, errors, limits, cancellation."""

import asyncio
import logging
from typing import Any

import pytest

from model.engines.base import EngineError
from model.values import Frame, Region
from service.contract.messages import Outcome, SessionOptions
from service.errors import (
    BadImage,
    BadRegion,
    DeadlinePassed,
    FrameSizeChanged,
    KineposeError,
    PtsNotIncreasing,
    QueueFull,
    SeqOutOfOrder,
    TooLarge,
    WorkerFailed,
)
from tests.support.pipelines import CARD, counted, frame, in_flight, running, until, value_of
from tests.support.trackers import BROKEN, FakeTracker, grey, history, picture


async def test_result_describes_itself(tracker: FakeTracker) -> None:
    """Model, skeleton, size, region, seq and pts come with every answer."""
    async with running(tracker) as pipeline:
        result = await pipeline.frames.estimate(frame(0, pts_us=40_000, regions=(Region(1, 2, 30, 20),)))
    assert (result.session_id, result.seq, result.pts_us, result.outcome) == ("s", 0, 40_000, Outcome.OK)
    assert result.image_size == (48, 32)
    assert [(person.track_id, person.region) for person in result.people] == [(1, Region(1, 2, 30, 20))]
    assert result.model.name == CARD.name
    assert result.skeleton == "kinepose13"
    assert len(result.joint_names) == 13


async def test_each_frame_continues_from_the_one_before(tracker: FakeTracker) -> None:
    """The state of frame t is what frame t + 1 starts from."""
    async with running(tracker) as pipeline:
        values = [value_of(await pipeline.frames.estimate(frame(seq))) for seq in range(5)]
    assert values == [history(list(range(seq + 1))) for seq in range(5)]


async def test_later_frame_waits_for_those_in_flight(tracker: FakeTracker) -> None:
    """Frames sent at once are computed in their order, one after the other."""
    async with running(tracker) as pipeline:
        results = await asyncio.gather(*(pipeline.frames.estimate(frame(seq)) for seq in range(6)))
    assert [value_of(result) for result in results] == [history(list(range(n + 1))) for n in range(6)]


async def test_last_frame_sent_again_gets_its_stored_answer(tracker: FakeTracker) -> None:
    """A replay is not computed again, even with another picture."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0))
        first = await pipeline.frames.estimate(frame(1))
        batches = len(tracker.batches)
        again = await pipeline.frames.estimate(frame(1, shade=99))
        assert again is first
        assert len(tracker.batches) == batches


async def test_replay_while_in_flight_shares_the_one_outcome(tracker: FakeTracker) -> None:
    """Two callers of one seq get the same answer from one computation."""
    async with running(tracker) as pipeline:
        tracker.hold()
        first = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        again = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await asyncio.sleep(0)
        tracker.let_go()
        assert await first is await again
        assert (await pipeline.sessions.info("s")).next_seq == 1


async def test_replay_outlives_the_caller_it_joined(tracker: FakeTracker) -> None:
    """A frame goes on while one of its callers still waits."""
    async with running(tracker) as pipeline:
        tracker.hold()
        first = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        again = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await asyncio.sleep(0)
        first.cancel()
        tracker.let_go()
        assert value_of(await again) == history([0])
        assert first.cancelled()


@pytest.mark.parametrize(("sent", "why"), [(5, "a gap"), (1, "older than the last"), (-1, "below 0")])
async def test_frame_out_of_order_is_refused_and_the_session_lives(tracker: FakeTracker, sent: int, why: str) -> None:
    """For gaps and old frames the error says what is expected."""
    async with running(tracker) as pipeline:
        for seq in range(3):
            await pipeline.frames.estimate(frame(seq))
        with pytest.raises(SeqOutOfOrder) as raised:
            await pipeline.frames.estimate(frame(sent))
        assert (raised.value.session_id, raised.value.seq, raised.value.expected_seq) == ("s", sent, 3), why
        assert value_of(await pipeline.frames.estimate(frame(3))) == history([0, 1, 2, 3])


async def test_pts_that_does_not_increase_is_refused_before_admission(tracker: FakeTracker) -> None:
    """The seq is not spent: the frame may be sent again with a later pts."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0, pts_us=1000))
        with pytest.raises(PtsNotIncreasing):
            await pipeline.frames.estimate(frame(1, pts_us=1000))
        assert (await pipeline.frames.estimate(frame(1, pts_us=1001))).seq == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"image": b"no picture at all"}, BadImage),
        ({"image": picture(1)[:-20]}, BadImage),
        ({"image": b""}, BadImage),
        ({"image": picture(1, (16, 16))}, FrameSizeChanged),
        ({"regions": (Region(500, 500, 10, 10),)}, BadRegion),
    ],
)
async def test_frame_at_fault_spends_its_seq_and_leaves_the_state(
    tracker: FakeTracker, fields: dict[str, Any], error: type[KineposeError]
) -> None:
    """Its error is what a replay gets; the next frame continues from the last good one."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0))
        for _ in range(2):
            with pytest.raises(error) as raised:
                await pipeline.frames.estimate(frame(1, **fields))
            assert (raised.value.session_id, raised.value.seq) == ("s", 1)
        assert value_of(await pipeline.frames.estimate(frame(2))) == history([0, 2])


async def test_bug_met_by_a_frame_is_logged_and_told_as_internal(
    tracker: FakeTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """For that frame only; the log has the traceback, the client does not."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0))
        with caplog.at_level(logging.ERROR), pytest.raises(KineposeError) as raised:
            await pipeline.frames.estimate(frame(1, shade=BROKEN))
        assert value_of(await pipeline.frames.estimate(frame(2))) == history([0, 2])
    assert raised.value.code == "internal"
    assert "a bug met by one frame" not in raised.value.detail
    assert "a bug met by one frame" in caplog.text


async def test_image_above_the_size_limit_is_refused_before_it_is_decoded(tracker: FakeTracker) -> None:
    """The seq is not spent."""
    async with running(tracker, max_image_bytes=1000) as pipeline:
        with pytest.raises(TooLarge):
            await pipeline.frames.estimate(frame(0, image=b"\xff" * 1001))
        assert (await pipeline.frames.estimate(frame(0))).seq == 0


async def test_device_failure_leaves_the_frame_to_be_sent_again(tracker: FakeTracker) -> None:
    """Nobody's fault: the seq is not spent, and those behind it learn what is expected."""
    async with running(tracker) as pipeline:
        tracker.raises.append(EngineError("out of memory", sticky=False))
        failed, behind = await asyncio.gather(
            pipeline.frames.estimate(frame(0)), pipeline.frames.estimate(frame(1)), return_exceptions=True
        )
        assert isinstance(failed, WorkerFailed)
        assert isinstance(behind, SeqOutOfOrder)
        assert behind.expected_seq == 0
        assert value_of(await pipeline.frames.estimate(frame(0))) == history([0])
        assert value_of(await pipeline.frames.estimate(frame(1))) == history([0, 1])


async def test_cancelled_caller_takes_the_frame_out_of_the_queue(tracker: FakeTracker) -> None:
    """A frame in line that nobody waits for is not computed, and may be sent again at once."""
    async with running(tracker, max_batch=1) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "other")
        tracker.hold()
        ahead = asyncio.ensure_future(pipeline.frames.estimate(frame(0, shade=1, session="other")))
        await tracker.entered()
        gone = asyncio.ensure_future(pipeline.frames.estimate(frame(0, shade=77)))
        await in_flight(pipeline, 2)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert counted(pipeline, "pending_frames") == 1
        again = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        tracker.let_go()
        assert value_of(await again) == history([0])
        await ahead
    assert not any((77, 0) in batch for batch in tracker.batches)


async def test_caller_cancelled_while_its_frame_is_computed_leaves_the_session_as_it_was(
    tracker: FakeTracker,
) -> None:
    """The answer is dropped, not committed."""
    async with running(tracker) as pipeline:
        tracker.hold()
        gone = asyncio.ensure_future(pipeline.frames.estimate(frame(0, shade=77)))
        await tracker.entered()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        tracker.let_go()
        assert (await pipeline.sessions.info("s")).next_seq == 0
        assert value_of(await pipeline.frames.estimate(frame(0))) == history([0])
        assert counted(pipeline, "frames_total", transport="http", outcome="cancelled") == 1


async def test_deadline_that_had_passed_is_told_before_any_work(tracker: FakeTracker) -> None:
    """The seq is not spent."""
    async with running(tracker) as pipeline:
        batches = len(tracker.batches)
        now = asyncio.get_running_loop().time()
        with pytest.raises(DeadlinePassed):
            await pipeline.frames.estimate(frame(0, deadline=now))
        assert len(tracker.batches) == batches
        assert (await pipeline.sessions.info("s")).next_seq == 0


async def test_frame_whose_deadline_passes_in_the_queue_is_not_computed(tracker: FakeTracker) -> None:
    """It leaves the line, and its seq is not spent."""
    async with running(tracker, max_batch=1) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "other")
        tracker.hold()
        ahead = asyncio.ensure_future(pipeline.frames.estimate(frame(0, shade=1, session="other")))
        await tracker.entered()
        soon = asyncio.get_running_loop().time() + 0.01
        with pytest.raises(DeadlinePassed) as raised:
            await pipeline.frames.estimate(frame(0, shade=77, deadline=soon))
        assert (raised.value.session_id, raised.value.seq) == ("s", 0)
        tracker.let_go()
        await ahead
        assert value_of(await pipeline.frames.estimate(frame(0))) == history([0])
    assert not any((77, 0) in batch for batch in tracker.batches)


async def test_session_takes_so_many_frames_in_flight(tracker: FakeTracker) -> None:
    """One more is refused with a time to try again; the others are answered."""
    async with running(tracker, max_pending_per_session=2) as pipeline:
        tracker.hold()
        taken = [asyncio.ensure_future(pipeline.frames.estimate(frame(seq))) for seq in range(2)]
        await in_flight(pipeline, 2)
        with pytest.raises(QueueFull, match="session") as raised:
            await pipeline.frames.estimate(frame(2))
        assert raised.value.retry_after_ms is not None
        tracker.let_go()
        await asyncio.gather(*taken)
        assert (await pipeline.frames.estimate(frame(2))).seq == 2


async def test_server_takes_so_many_frames_in_flight(tracker: FakeTracker) -> None:
    """Over all sessions; clip frames wait where interactive ones are refused."""
    async with running(tracker, max_pending_per_session=1, max_pending_frames=1) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "other")
        await pipeline.sessions.create(SessionOptions(), "clip")
        tracker.hold()
        taken = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        with pytest.raises(QueueFull, match="server"):
            await pipeline.frames.estimate(frame(0, session="other"))
        clip = asyncio.ensure_future(pipeline.frames.estimate_decoded("clip", 0, Frame(grey(3))))
        await asyncio.sleep(0)
        tracker.let_go()
        await taken
        assert value_of(await clip) == history([3])
        await until(lambda: counted(pipeline, "pending_frames") == 0)


async def test_clip_frame_keeps_its_own_pts(tracker: FakeTracker) -> None:
    """pts in, pts out."""
    async with running(tracker) as pipeline:
        result = await pipeline.frames.estimate_decoded("s", 0, Frame(grey(3), pts_us=123))
    assert result.pts_us == 123


async def test_frames_are_counted_by_transport_and_outcome(tracker: FakeTracker) -> None:
    """No label names a session."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0), transport="grpc")
        with pytest.raises(BadImage):
            await pipeline.frames.estimate(frame(1, image=b"x"))
        assert counted(pipeline, "frames_total", transport="grpc", outcome="ok") == 1
        assert counted(pipeline, "frames_total", transport="http", outcome="error") == 1
        assert counted(pipeline, "frame_latency_seconds_count", transport="grpc") == 1
        assert counted(pipeline, "compute_duration_seconds_count", stage="decode") == 1
        own = (family for family in pipeline.metrics.registry.collect() if family.name.startswith("kinepose_"))
        labels = {name for family in own for sample in family.samples for name in sample.labels}
    assert labels <= {"transport", "outcome", "stage", "op", "reason", "le"}
