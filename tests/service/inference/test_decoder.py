"""Decoded pictures are held in memory within a budget, whatever waits behind them."""

import asyncio
from typing import Any

import numpy as np
import pytest

from service.config import Settings
from service.contract.messages import EncodedFrame, Outcome, SessionOptions
from service.inference.decoder import LARGE_PIXELS, PixelBudget
from service.inference.executor import LocalExecutor
from service.pipeline.pipeline import Pipeline
from tests.support.pictures import encoded, smooth_picture
from tests.support.pipelines import eventually, frame, in_flight, running, value_of
from tests.support.trackers import FakeTracker

SIDE = 64
PIXELS = SIDE * SIDE
LIMITS: dict[str, Any] = {"max_image_pixels": PIXELS, "max_decoded_pixels": 2 * PIXELS}


def budget_of(pipeline: Pipeline) -> PixelBudget:
    """What the pipeline's decoder holds pictures in."""
    assert isinstance(pipeline.executor, LocalExecutor)
    return pipeline.executor.decoder.budget


async def test_frames_ahead_of_their_turn_hold_half_of_the_budget() -> None:
    """Twelve large pictures of one session come at once: all are answered, in order, and never more are held."""
    tracker = FakeTracker()
    large = encoded(smooth_picture(SIDE, SIDE), ".png")
    async with running(tracker, **LIMITS) as pipeline:
        tracker.hold()
        answers = [asyncio.create_task(pipeline.frames.estimate(frame(0, image=large)))]
        await tracker.entered()
        answers += [asyncio.create_task(pipeline.frames.estimate(frame(seq, image=large))) for seq in range(1, 12)]
        await in_flight(pipeline, 12)
        assert budget_of(pipeline).held <= 2 * PIXELS
        tracker.let_go()
        results = await asyncio.gather(*answers)
        assert [result.seq for result in results] == list(range(12))
        assert budget_of(pipeline).held == 0


async def test_a_frame_given_up_gives_its_pixels_back() -> None:
    """A client that goes while its frame is computed leaves nothing behind."""
    tracker = FakeTracker()
    async with running(tracker, **LIMITS) as pipeline:
        tracker.hold()
        answer = asyncio.create_task(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        assert budget_of(pipeline).held > 0
        answer.cancel()
        tracker.let_go()
        await asyncio.gather(answer, return_exceptions=True)
        await in_flight(pipeline, 0)
        assert value_of(await pipeline.frames.estimate(frame(0))) >= 0
        assert budget_of(pipeline).held == 0


def takers(budget: PixelBudget, order: list[str], *sizes: tuple[str, int]) -> "list[asyncio.Task[None]]":
    """Tasks that ask for so many pixels, each named by the first letter of its owner and its size."""

    async def take(owner: str, pixels: int) -> None:
        await budget.take(pixels, owner)
        order.append(f"{owner}{pixels}")

    return [asyncio.create_task(take(owner, pixels)) for owner, pixels in sizes]


async def test_who_waits_for_room_gets_it_in_the_order_of_asking() -> None:
    """A small picture does not pass a large one that waits."""
    budget, order = PixelBudget(100, 100), list[str]()
    await budget.take(60, "a")
    waiting = takers(budget, order, ("b", 90), ("c", 10))
    await asyncio.sleep(0)
    assert budget.take_ahead(10) is False
    budget.release(60, "a")
    await asyncio.gather(*waiting)
    assert order == ["b90", "c10"]


async def test_large_pictures_of_one_key_leave_room_for_the_others() -> None:
    """Whoever has their share waits for themselves alone, and keeps nobody else in the line."""
    budget, order = PixelBudget(100, 25), list[str]()
    waiting = takers(budget, order, *[("a", 20)] * 5, ("b", 20), ("c", 25))
    await asyncio.sleep(0.01)
    assert order == ["a20", "b20", "c25"]
    for _ in range(4):
        budget.release(20, "a")
        await asyncio.sleep(0.01)
    await asyncio.gather(*waiting)
    assert order[3:] == ["a20"] * 4


async def test_whoever_gives_up_waiting_for_room_holds_none() -> None:
    """Before there is room, and in the moment in which it is given."""
    budget = PixelBudget(100, 100)
    await budget.take(100, "a")
    early, late = takers(budget, [], ("b", 50), ("c", 50))
    await asyncio.sleep(0)
    early.cancel()
    budget.release(100, "a")
    late.cancel()
    await asyncio.gather(early, late, return_exceptions=True)
    assert budget.held == 0
    await budget.take(100, "d")


async def test_whoever_gives_up_waiting_lets_those_behind_have_the_room() -> None:
    """A large picture waits, and a small one behind it that fits: it does not wait for what was given up."""
    budget, order = PixelBudget(100, 100), list[str]()
    await budget.take(60, "a")
    large, small = takers(budget, order, ("b", 90), ("c", 10))
    await asyncio.sleep(0)
    large.cancel()
    async with asyncio.timeout(20):
        await small
    assert order == ["c10"]


async def test_pictures_that_are_not_decoded_make_it_not_ready() -> None:
    """Readiness asks the decoders, too: a server whose threads are all taken answers nobody."""
    tracker = FakeTracker()
    async with running(tracker, ready_timeout_s=0.05) as pipeline:
        await eventually(pipeline.lifecycle.ready)
        assert isinstance(pipeline.executor, LocalExecutor)
        threads = pipeline.executor.decoder.threads
        free = asyncio.Event()
        loop = asyncio.get_running_loop()
        for _ in range(pipeline.settings.decode_threads):
            threads.submit(lambda: asyncio.run_coroutine_threadsafe(free.wait(), loop).result())
        assert not await pipeline.lifecycle.ready()
        free.set()
        assert await pipeline.executor.decoder.works(20)


async def test_large_pictures_wait_for_one_another_alone() -> None:
    """While one is decoded, ordinary ones are answered; the next large one is, too, once its thread is free."""
    async with running(FakeTracker()) as pipeline:
        assert isinstance(pipeline.executor, LocalExecutor)
        free, loop = asyncio.Event(), asyncio.get_running_loop()
        pipeline.executor.decoder.patient.submit(lambda: asyncio.run_coroutine_threadsafe(free.wait(), loop).result())
        large, small = [(await pipeline.sessions.create(SessionOptions())).session_id for _ in range(2)]
        picture = encoded(np.zeros((LARGE_PIXELS // 4000 + 1, 4000, 3), np.uint8))
        waiting = asyncio.create_task(pipeline.frames.estimate(EncodedFrame(large, 0, picture)))
        for seq in range(3):
            result = await pipeline.frames.estimate(EncodedFrame(small, seq, encoded(smooth_picture())))
            assert result.outcome is Outcome.OK
        assert not waiting.done()
        free.set()
        assert (await waiting).image_size == (4000, LARGE_PIXELS // 4000 + 1)


def test_a_budget_holds_two_of_the_largest_pictures() -> None:
    """With less, a picture ahead of its turn could keep out the one before it for ever."""
    with pytest.raises(ValueError, match="twice max_image_pixels"):
        Settings(max_image_pixels=100, max_decoded_pixels=199)
