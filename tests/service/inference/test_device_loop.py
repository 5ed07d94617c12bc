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
from service.inference.batcher import Batcher
from service.inference.device_loop import DeviceLoop, WarmUpFailed
from service.inference.queue import InProcessQueue, Priority
from service.observability.metrics import Metrics
from tests.support.trackers import BROKEN, POISON, FakeTracker, grey


@dataclass
class Bench:
    """A worker and what it stands between."""

    tracker: FakeTracker
    queue: InProcessQueue
    worker: DeviceLoop

    def send(self, session: str, shade: int = 1, **fields: object) -> "asyncio.Task[Tracked]":
        """A frame on its way."""
        request = TrackRequest(Frame(grey(shade)), 0, **fields)  # type: ignore[arg-type]
        return asyncio.ensure_future(self.queue.submit(session, request, Priority.INTERACTIVE))


@asynccontextmanager
async def working() -> AsyncIterator[Bench]:
    """A running worker with batches of up to eight."""
    queue, tracker, metrics = InProcessQueue(), FakeTracker(), Metrics()
    former = Batcher(queue, lambda: 1, max_batch=8, wait_s=0, clip_every=4)
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
        changed = asyncio.ensure_future(bench.queue.submit("a", other, Priority.INTERACTIVE))
        outside = bench.send("b", region=Region(1000, 1000, 5, 5))
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
    """Answers that nobody can assign are given to nobody."""
    async with working() as bench:
        monkeypatch.setattr(bench.tracker, "step", lambda requests: [])
        [error] = await settled(bench.send("a"))
    assert isinstance(error, KineposeError)
    assert error.code == "internal"


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
