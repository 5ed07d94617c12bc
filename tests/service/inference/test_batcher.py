"""The in-process queue, and which of its frames are computed together."""

import asyncio

import pytest

from model.tracker import Tracked, TrackRequest
from model.values import Frame
from service.errors import WorkerFailed
from service.inference.batcher import Batcher, FrameQueue
from service.pipeline.request import Priority
from tests.support.trackers import grey

FOREVER_S = 3600.0


def submit(
    queue: FrameQueue, session: str, seq: int = 0, priority: Priority = Priority.LIVE
) -> "asyncio.Task[Tracked]":
    """A frame on its way; it is in line after the next turn of the event loop."""
    return asyncio.ensure_future(queue.submit(session, TrackRequest(Frame(grey(0)), seq), priority))


def batcher(queue: FrameQueue, live: int = 1, *, most: int = 4, wait_s: float = 0.0) -> Batcher:
    """A batcher that believes in so many live sessions."""
    return Batcher(queue, lambda: live, max_batch=most, wait_s=wait_s, clip_every=3)


async def drop(*tasks: "asyncio.Task[Tracked]") -> None:
    """Cancel frames and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_frames_of_one_session_never_share_a_batch() -> None:
    """The second frame of a session waits for the next batch, others go along."""
    queue = FrameQueue()
    tasks = [submit(queue, "a", 0), submit(queue, "a", 1), submit(queue, "b", 0)]
    await asyncio.sleep(0)
    former = batcher(queue)
    assert [(item.session_id, item.request.seq) for item in await former.next_batch()] == [("a", 0), ("b", 0)]
    assert [(item.session_id, item.request.seq) for item in await former.next_batch()] == [("a", 1)]
    await drop(*tasks)


async def test_lone_stream_never_waits_for_company() -> None:
    """With one live session the batch goes at once, whatever the wait is set to."""
    queue = FrameQueue()
    task = submit(queue, "a")
    async with asyncio.timeout(10):
        assert len(await batcher(queue, live=1, wait_s=FOREVER_S).next_batch()) == 1
    await drop(task)


async def test_batch_goes_as_soon_as_all_live_sessions_are_in_it() -> None:
    """The wait ends early when nobody else is to come."""
    queue = FrameQueue()
    first = submit(queue, "a")
    batch = asyncio.ensure_future(batcher(queue, live=2, wait_s=FOREVER_S).next_batch())
    await asyncio.sleep(0)
    second = submit(queue, "b")
    async with asyncio.timeout(10):
        assert [item.session_id for item in await batch] == ["a", "b"]
    await drop(first, second)


async def test_batch_goes_without_those_who_do_not_come() -> None:
    """After the wait those that are here are computed."""
    queue = FrameQueue()
    task = submit(queue, "a")
    async with asyncio.timeout(10):
        assert len(await batcher(queue, live=2, wait_s=0.001).next_batch()) == 1
    await drop(task)


async def test_interactive_frames_go_first_and_clips_do_not_starve() -> None:
    """Of every three frames computed one is a clip's, while both wait."""
    queue = FrameQueue()
    tasks = [submit(queue, f"clip{n}", priority=Priority.CLIP) for n in range(3)]
    tasks += [submit(queue, f"live{n}") for n in range(6)]
    await asyncio.sleep(0)
    former = batcher(queue, most=2)
    order = [item.session_id for _ in range(5) for item in await former.next_batch()]
    assert order == ["live0", "live1", "clip0", "live2", "live3", "clip1", "live4", "live5", "clip2"]
    await drop(*tasks)


async def test_cancelled_frame_leaves_the_queue_before_batching() -> None:
    """A frame that nobody waits for is not computed, nor does it make an empty batch."""
    queue = FrameQueue()
    gone = submit(queue, "gone")
    await asyncio.sleep(0)
    batch = asyncio.ensure_future(batcher(queue).next_batch())
    gone.cancel()
    await asyncio.sleep(0)
    task = submit(queue, "a")
    assert [item.session_id for item in await batch] == ["a"]
    await drop(gone, task)


async def test_closing_answers_those_who_wait_and_those_who_come_later() -> None:
    """Nobody hangs on a queue that no worker reads; each gets an error of its own."""
    queue = FrameQueue()
    waiting = submit(queue, "a")
    await asyncio.sleep(0)
    queue.close(WorkerFailed("gone", retry_after_ms=5))
    with pytest.raises(WorkerFailed) as first:
        await waiting
    with pytest.raises(WorkerFailed) as second:
        await submit(queue, "b")
    assert first.value is not second.value
    assert second.value.retry_after_ms == 5
