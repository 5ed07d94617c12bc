"""The in-process queue, and which of its frames are computed together."""

import asyncio

import numpy as np
import pytest

from model.engines.base import ModelOutput
from model.passes import WINDOWS_A_PASS
from model.tracker import Tracked, TrackRequest
from model.values import Frame, Region
from service.errors import WorkerFailed
from service.inference.batcher import Batcher, FrameQueue, Job, WorkItem
from service.pipeline.request import Priority
from tests.support.trackers import SEARCH_PASSES, SEARCHED, FakeWork, grey

FOREVER_S = 3600.0
NOTHING = ModelOutput(np.zeros(0), np.zeros(0), np.zeros(0), presence=0.0)


def submit(
    queue: FrameQueue, session: str, seq: int = 0, priority: Priority = Priority.LIVE
) -> "asyncio.Task[Tracked]":
    """A frame on its way; it is in line after the next turn of the event loop."""
    return asyncio.ensure_future(queue.submit(session, TrackRequest(Frame(grey(0)), seq), priority))


def batcher(queue: FrameQueue, live: int = 1, *, most: int = 4, wait_s: float = 0.0) -> Batcher:
    """A batcher that believes in so many live sessions."""
    return Batcher(queue, lambda: live, most_inputs=most, wait_s=wait_s, background_every=3)


def job(session: str, priority: Priority = Priority.LIVE, *, shade: int = 0, regions: int = 0) -> Job:
    """A frame that has not begun."""
    places = (Region(0, 0, 10, 10),) * regions
    request = TrackRequest(Frame(grey(shade)), 0, regions=places, max_people=max(1, regions))
    return Job(WorkItem(session, request, priority, asyncio.get_running_loop().create_future()))


def read(former: Batcher, jobs: list[Job], passes: int) -> list[str]:
    """Whose inputs so many passes read, each once for each of them."""
    order = []
    for _ in range(passes):
        batch = former.next_batch(jobs, FakeWork)
        order += [one.item.session_id for one, inputs in batch.items() for _ in range(inputs)]
        for one, inputs in batch.items():
            assert one.work is not None
            one.work.resume([NOTHING] * inputs)
            one.inputs_read += inputs
        jobs[:] = sorted((one for one in jobs if one.work is None or not one.work.done), key=lambda one: one in batch)
    return order


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
    assert [(item.session_id, item.request.seq) for item in await former.next_frames()] == [("a", 0), ("b", 0)]
    assert queue.take(busy={"a"}) == []
    assert [(item.session_id, item.request.seq) for item in await former.next_frames()] == [("a", 1)]
    await drop(*tasks)


async def test_lone_stream_never_waits_for_company() -> None:
    """With one live session the batch goes at once, whatever the wait is set to."""
    queue = FrameQueue()
    task = submit(queue, "a")
    async with asyncio.timeout(10):
        assert len(await batcher(queue, live=1, wait_s=FOREVER_S).next_frames()) == 1
    await drop(task)


async def test_batch_goes_as_soon_as_all_live_sessions_are_in_it() -> None:
    """The wait ends early when nobody else is to come."""
    queue = FrameQueue()
    first = submit(queue, "a")
    batch = asyncio.ensure_future(batcher(queue, live=2, wait_s=FOREVER_S).next_frames())
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
        assert len(await batcher(queue, live=2, wait_s=0.001).next_frames()) == 1
    await drop(task)


@pytest.mark.parametrize("most", [1, 2, 8])
async def test_interactive_frames_go_first_and_clips_do_not_starve(most: int) -> None:
    """Of every three frames computed one is a clip's, while both wait, however many a batch has."""
    jobs = [job(f"clip{n}", Priority.CLIP) for n in range(3)] + [job(f"live{n}") for n in range(6)]
    order = read(batcher(FrameQueue(), most=most), jobs, 9)
    assert order == ["live0", "live1", "clip0", "live2", "live3", "clip1", "live4", "live5", "clip2"]


async def test_search_goes_between_others_frames_after_its_first_input() -> None:
    """A live frame is due one input at once; those in which somebody is looked for are the background."""
    jobs = [job("search", shade=SEARCHED)] + [job(f"live{n}") for n in range(4)]
    order = read(batcher(FrameQueue(), most=1), jobs, 4 + WINDOWS_A_PASS * (SEARCH_PASSES - 1) + 1)
    assert order[:6] == ["search", "live0", "live1", "search", "live2", "live3"]
    assert order.count("search") == WINDOWS_A_PASS * (SEARCH_PASSES - 1) + 1


async def test_frame_of_several_people_is_due_an_input_for_each() -> None:
    """It is no search: it does not wait for the background between its people."""
    jobs = [job("group", regions=3), job("clip", Priority.CLIP)]
    group, _ = jobs
    assert group.inputs_due == 3
    read(batcher(FrameQueue(), most=1), jobs, 1)
    assert not group.is_search


async def test_cancelled_frame_leaves_the_queue_before_batching() -> None:
    """A frame that nobody waits for is not computed, nor does it make an empty batch."""
    queue = FrameQueue()
    gone = submit(queue, "gone")
    await asyncio.sleep(0)
    batch = asyncio.ensure_future(batcher(queue).next_frames())
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


async def test_where_others_take_from_the_queue_only_what_comes_next_is_taken() -> None:
    """A live frame before a clip's; nothing more while it has to be read; and a clip's only where nothing else is."""
    queue = FrameQueue()
    tasks = [submit(queue, "c", priority=Priority.CLIP), submit(queue, "a"), submit(queue, "b")]
    tasks.append(submit(queue, "d", priority=Priority.CLIP))
    await asyncio.sleep(0)
    one, other = (
        Batcher(queue, lambda: 1, most_inputs=1, wait_s=0, background_every=3, shares_queue=True) for _ in range(2)
    )
    mine, theirs = [Job(item) for item in await one.next_frames()], [Job(item) for item in await other.next_frames()]
    assert [job.item.session_id for job in (*mine, *theirs)] == ["a", "b"]
    assert one.more_frames(mine) == []
    [clip] = await one.next_frames()
    assert clip.session_id == "c"
    assert one.more_frames([Job(clip)]) == []
    [other_clip] = other.more_frames([])
    assert other_clip.session_id == "d"
    await drop(*tasks)


async def test_clips_do_not_starve_where_loops_share_a_queue() -> None:
    """However many live frames always wait, one frame of every three taken is a clip's."""
    queue = FrameQueue()
    tasks = [submit(queue, f"clip{n}", priority=Priority.CLIP) for n in range(2)]
    tasks += [submit(queue, f"live{n}") for n in range(6)]
    await asyncio.sleep(0)
    loops = [
        Batcher(queue, lambda: 1, most_inputs=1, wait_s=0, background_every=3, shares_queue=True) for _ in range(2)
    ]
    order = [item.session_id for _ in range(4) for former in loops for item in await former.next_frames()]
    assert order == ["live0", "live1", "clip0", "live2", "live3", "clip1", "live4", "live5"]
    await drop(*tasks)
