"""The worker: one answer for every frame, whatever happens to the device."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from model.engines.base import EngineError
from model.tracker import Tracked, TrackRequest
from model.values import Frame, Region
from service.errors import BadRegion, DeviceLost, FrameSizeChanged, KineposeError, WorkerFailed
from service.inference.batcher import Batcher, FrameQueue
from service.inference.device_loop import DeviceLoop, WarmUpFailed
from service.observability.metrics import Metrics
from service.pipeline.request import Priority
from tests.support.trackers import BROKEN, POISON, SEARCH_PASSES, SEARCHED, FakeTracker, grey


@dataclass
class Bench:
    """A worker and what it stands between."""

    tracker: FakeTracker
    queue: FrameQueue
    worker: DeviceLoop

    def send(self, session: str, shade: int = 1, seq: int = 0, **fields: object) -> "asyncio.Task[Tracked]":
        """A frame on its way."""
        request = TrackRequest(Frame(grey(shade)), seq, **fields)  # type: ignore[arg-type]
        return asyncio.ensure_future(self.queue.submit(session, request, Priority.LIVE))


@asynccontextmanager
async def working() -> AsyncIterator[Bench]:
    """A running worker with batches of up to eight."""
    queue, tracker, metrics = FrameQueue(), FakeTracker(), Metrics()
    former = Batcher(queue, lambda: 1, most_inputs=8, wait_s=0, background_every=4)
    worker = DeviceLoop(tracker, queue, former, metrics)
    loop = asyncio.ensure_future(worker.run())
    try:
        yield Bench(tracker, queue, worker)
    finally:
        tracker.let_go()
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await worker.close()


async def settled(*tasks: "asyncio.Task[Tracked]") -> list[Tracked | BaseException]:
    """All answers, errors as values."""
    async with asyncio.timeout(20):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_frame_with_an_error_of_its_own_fails_alone() -> None:
    """A broken frame in the middle of a batch leaves its neighbours whole."""
    async with working() as bench:
        tasks = [bench.send("a"), bench.send("b", BROKEN), bench.send("c")]
        first, broken, last = await settled(*tasks)
    assert bench.tracker.batches == [[(1, 0), (BROKEN, 0), (1, 0)]]
    assert isinstance(first, Tracked)
    assert isinstance(last, Tracked)
    assert isinstance(broken, KineposeError)
    assert broken.code == "internal"


async def test_frame_that_breaks_the_whole_batch_fails_alone() -> None:
    """Where the batch raises, each frame is computed by itself, and only the culprit fails."""
    async with working() as bench:
        tasks = [bench.send("a"), bench.send("b", POISON), bench.send("c")]
        first, broken, last = await settled(*tasks)
        assert bench.worker.alive
    assert isinstance(first, Tracked)
    assert isinstance(last, Tracked)
    assert isinstance(broken, KineposeError)
    assert broken.code == "internal"


async def test_frame_errors_are_told_in_the_service_s_terms() -> None:
    """A region outside and a changed size have errors of their own."""
    async with working() as bench:
        [tracked] = await settled(bench.send("a"))
        assert isinstance(tracked, Tracked)
        other = TrackRequest(Frame(grey(1, (16, 16))), 1, tracked.state)
        changed = asyncio.ensure_future(bench.queue.submit("a", other, Priority.LIVE))
        outside = bench.send("b", regions=(Region(1000, 1000, 5, 5),))
        size_error, region_error = await settled(changed, outside)
    assert isinstance(size_error, FrameSizeChanged)
    assert isinstance(region_error, BadRegion)


async def test_passing_device_failure_fails_the_batch_and_no_more() -> None:
    """An EngineError that is not sticky costs its batch; the next one is computed."""
    async with working() as bench:
        bench.tracker.raises.append(EngineError("out of memory", sticky=False))
        failures = await settled(bench.send("a"), bench.send("b"))
        assert [type(error) for error in failures] == [WorkerFailed, WorkerFailed]
        assert isinstance((await settled(bench.send("a")))[0], Tracked)
        assert bench.worker.alive


@pytest.mark.parametrize("death", [EngineError("context lost", sticky=True), SystemExit(3)])
async def test_lost_device_ends_the_worker_and_leaves_nobody_waiting(death: BaseException) -> None:
    """In the batch, in line or still to come: everybody gets DeviceLost."""
    async with working() as bench:
        bench.tracker.hold()
        bench.tracker.raises.append(death)
        in_batch = bench.send("a")
        await bench.tracker.entered()
        in_line = bench.send("b")
        await asyncio.sleep(0)
        bench.tracker.let_go()
        failures = await settled(in_batch, in_line, bench.send("c"))
        assert [type(error) for error in failures] == [DeviceLost] * 3
        assert not bench.worker.alive
    assert len(bench.tracker.batches) == 1


async def test_stopped_worker_answers_the_batch_that_it_is_in() -> None:
    """A worker that is cancelled in the middle of a batch leaves nobody waiting."""
    async with working() as bench:
        bench.tracker.hold()
        task = bench.send("a")
        await bench.tracker.entered()
    assert [type(error) for error in await settled(task)] == [DeviceLost]


async def test_wrong_number_of_answers_is_a_bug_of_that_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose answers run out, which shows as a StopIteration, ends with its frames and not with the worker."""
    async with working() as bench:
        with monkeypatch.context() as patched:
            patched.setattr(bench.tracker, "advance", lambda work: next(iter(())))
            errors = await settled(bench.send("a"), bench.send("b"))
        for error in errors:
            assert isinstance(error, KineposeError)
            assert error.code == "internal"
        assert isinstance((await settled(bench.send("a")))[0], Tracked)


async def test_frames_that_come_in_a_search_are_next() -> None:
    """All of them, before the search: they have waited for one of its passes already."""
    async with working() as bench:
        bench.tracker.hold()
        search = bench.send("a", SEARCHED)
        await bench.tracker.entered()
        others = [bench.send(f"b{number}", number) for number in range(3)]
        await asyncio.sleep(0)
        bench.tracker.let_go()
        answers = await settled(*others)
        assert all(isinstance(answer, Tracked) for answer in answers)
        await settled(search)
    assert bench.tracker.batches[0] == [(SEARCHED, 0)]
    assert bench.tracker.batches[1] == [(0, 0), (1, 0), (2, 0), (SEARCHED, 0)]
    assert bench.tracker.batches[2:] == [[(SEARCHED, 0)]] * (SEARCH_PASSES - 1)


async def test_searches_take_turns() -> None:
    """After the first look a pass has the windows of one, so that no frame waits for more; each comes to its end."""
    async with working() as bench:
        bench.tracker.hold()
        first = bench.send("first")
        await bench.tracker.entered()
        searches = [bench.send(f"s{number}", SEARCHED, seq=number) for number in range(4)]
        await asyncio.sleep(0)
        bench.tracker.let_go()
        assert all(isinstance(answer, Tracked) for answer in await settled(first, *searches))
    first_look, *passes = bench.tracker.batches[1:]
    assert len(first_look) == len(searches)
    assert sum(map(len, passes)) == len(searches) * SEARCH_PASSES
    # What is left of two windows each, then two windows of one a pass.
    assert [len(batch) for batch in passes[:6]] == [2, 2, 1, 1, 1, 1]
    assert len({frame for [frame] in passes[2:6]}) == len(searches)


async def test_search_that_nobody_waits_for_ends_after_its_pass() -> None:
    """Its caller has gone, or its deadline passed: the passes that it had left are not computed."""
    async with working() as bench:
        bench.tracker.hold()
        gone = bench.send("a", SEARCHED)
        await bench.tracker.entered()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        bench.tracker.let_go()
        assert isinstance((await settled(bench.send("a", 7)))[0], Tracked)
    assert bench.tracker.batches == [[(SEARCHED, 0)], [(7, 0)]]


async def test_frame_of_a_session_waits_for_the_one_that_is_searched() -> None:
    """Two frames of one session are never under way at once."""
    async with working() as bench:
        await settled(bench.send("a", SEARCHED), bench.send("a", 7))
    assert bench.tracker.batches == [[(SEARCHED, 0)]] * (SEARCH_PASSES + 1) + [[(7, 0)]]


async def test_device_that_is_lost_in_a_search_leaves_nobody_waiting() -> None:
    """Also those searches that had no room in the failing batch."""
    async with working() as bench:
        bench.tracker.hold()
        first = bench.send("first")
        await bench.tracker.entered()
        searches = [bench.send(f"s{number}", SEARCHED, seq=number) for number in range(4)]
        await asyncio.sleep(0)
        bench.tracker.raises.extend([EngineError("busy", sticky=False), EngineError("context lost", sticky=True)])
        bench.tracker.let_go()
        failures = await settled(first, *searches)
    assert sorted(type(error).__name__ for error in failures) == ["DeviceLost"] * 4 + ["WorkerFailed"]


async def test_cancelled_frame_in_a_batch_does_not_disturb_it() -> None:
    """The answer of a frame whose caller has gone is dropped, the others' arrive."""
    async with working() as bench:
        bench.tracker.hold()
        gone, stays = bench.send("a"), bench.send("b")
        await bench.tracker.entered()
        gone.cancel()
        bench.tracker.let_go()
        _, answer = await settled(gone, stays)
        assert gone.cancelled()
        assert isinstance(answer, Tracked)


async def test_warm_up_computes_fresh_and_continuing_frames_of_every_size() -> None:
    """Batches of 1, 2, 4 and the largest, each with and without a past."""
    async with working() as bench:
        await bench.worker.warm_up(6)
    sizes = [(len(batch), batch[0][1]) for batch in bench.tracker.batches]
    assert sizes == [(1, 0), (1, 1), (2, 0), (2, 1), (4, 0), (4, 1), (6, 0), (6, 1)]


@pytest.mark.parametrize("error", [EngineError("no device", sticky=False), RuntimeError("bad weights")])
async def test_failing_warm_up_fails_loudly(error: Exception) -> None:
    """A model that does not compute fails the start, with its reason."""
    async with working() as bench:
        bench.tracker.raises.append(error)
        with pytest.raises(WarmUpFailed, match=str(error)):
            await bench.worker.warm_up(1)
