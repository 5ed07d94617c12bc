"""The whole pipeline with the real tracker, engine and network; only the weights are random."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from model.passes import FrameWork
from model.tracker import Tracked, TrackRequest
from model.values import Frame, Region
from service.config import Settings
from service.contract.messages import EncodedFrame, FrameResult, SessionOptions
from service.errors import DeadlinePassed, FrameSizeChanged
from service.inference.loaded_model import LoadedModel, load_model
from service.inference.timed_finder import TimedFinder
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.processes.embedded import embedded
from tests.support.dots import DotFinder, person, picture
from tests.support.pictures import encoded, smooth_picture
from tests.support.pipelines import counted, until
from tests.support.weights import save_random_lite

REGION = Region(60, 20, 80, 160)
FRAMES = 3


SETTINGS = Settings(max_batch=2, device="cpu")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The lite model with random weights, on the CPU."""
    weights_dir = save_random_lite(tmp_path_factory.mktemp("weights"))
    return load_model(SETTINGS.model_copy(update={"weights_dir": weights_dir}))


def joints(results: list[FrameResult]) -> list[bytes]:
    """Coordinates and scores, bit for bit."""
    people = [person for result in results for person in result.people]
    return [person.pose.xy_px.tobytes() + person.pose.score.tobytes() for person in people]


@asynccontextmanager
async def started(loaded: LoadedModel) -> AsyncIterator[Pipeline]:
    """A warm pipeline."""
    pipeline = embedded(SETTINGS, loaded)
    try:
        await pipeline.start()
        yield pipeline
    finally:
        await pipeline.aclose()


def test_the_finders_time_is_measured() -> None:
    """A look each."""
    metrics = Metrics()
    finder = TimedFinder(DotFinder(), metrics.finder)
    assert [len(people) for people in finder.find([picture(person(60, 60, 100), 320, 320).rgb] * 2)] == [1, 1]
    assert metrics.registry.get_sample_value("kinepose_finder_seconds_count") == 2


@pytest.mark.slow
async def test_search_delays_no_other_session_by_more_than_a_batch(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide picture without a region takes many passes; a frame that comes in the first one is in the next."""
    entered, let_go, passes = threading.Semaphore(0), threading.Event(), list[list[int]]()
    advance = loaded.stepper.advance

    def counted_advance(parts: list[tuple[FrameWork[Tracked], int]]) -> None:
        passes.append([len(one.wants) for one, _ in parts])
        entered.release()
        assert let_go.wait(20)
        advance(parts)

    async with started(loaded) as pipeline:
        for name in ("search", "other"):
            await pipeline.sessions.create(SessionOptions(), name)
        monkeypatch.setattr(loaded.stepper, "advance", counted_advance)
        search = asyncio.ensure_future(
            pipeline.frames.estimate(EncodedFrame("search", 0, encoded(smooth_picture(800, 100))))
        )
        assert await asyncio.to_thread(entered.acquire, timeout=20)
        frame = EncodedFrame("other", 0, encoded(smooth_picture(200, 200)), regions=(REGION,))
        other = asyncio.ensure_future(pipeline.frames.estimate(frame))
        await until(lambda: counted(pipeline, "compute_duration_seconds_count", stage="decode") == 2)
        let_go.set()
        await other
        assert not search.done()
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
    assert passes[0] == [1]  # the picture of the finder, which is asked first
    assert [1] in passes[1:3]  # The third where the thread was faster than the event loop.


@pytest.mark.slow
async def test_deadline_that_passes_in_a_search_ends_its_work(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passes that were left are not computed, and the session goes on with the same seq."""
    passes: list[int] = []
    advance, loop = loaded.stepper.advance, asyncio.get_running_loop()

    async with started(loaded) as pipeline:
        await pipeline.sessions.create(SessionOptions(), "s")
        deadline = loop.time() + 3600
        expired = threading.Event()

        def slow_advance(parts: list[tuple[FrameWork[Tracked], int]]) -> None:
            passes.append(len(parts))
            assert expired.wait(20)
            advance(parts)

        monkeypatch.setattr(loaded.stepper, "advance", slow_advance)
        picture = encoded(smooth_picture(800, 100))
        search = asyncio.ensure_future(pipeline.frames.estimate(EncodedFrame("s", 0, picture, deadline=deadline)))
        await until(lambda: bool(passes))
        monkeypatch.setattr(loop, "time", lambda: deadline + 1)
        with pytest.raises(DeadlinePassed):
            await search
        expired.set()
        await pipeline.frames.estimate(EncodedFrame("s", 0, picture, regions=(Region(10, 10, 80, 80),)))
    # One of the search's; then the frame's own, and three for other turns, since nobody is in the picture.
    assert passes == [1] * 5


@pytest.mark.slow
async def test_sessions_side_by_side_give_what_the_tracker_gives_alone(loaded: LoadedModel) -> None:
    """Bit for bit: the service adds nothing to the numbers, nor do the neighbours in a batch."""
    pictures = [[smooth_picture(200, 200, seed=10 * s + t) for t in range(FRAMES)] for s in range(3)]
    expected = []
    for frames in pictures:
        state = None
        for seq, rgb in enumerate(frames):
            request = TrackRequest(Frame(rgb), seq, state, (REGION,) if seq == 0 else ())
            [tracked] = await asyncio.to_thread(loaded.stepper.step, [request])
            assert not isinstance(tracked, Exception)
            state = tracked.state
            expected.append(tracked.people[0].pose.xy_px.tobytes() + tracked.people[0].pose.score.tobytes())

    async with started(loaded) as pipeline:
        assert await pipeline.lifecycle.ready()

        async def session(number: int) -> list[FrameResult]:
            name = (await pipeline.sessions.create(SessionOptions())).session_id
            images = [encoded(rgb) for rgb in pictures[number]]
            frames = [
                EncodedFrame(name, seq, image, regions=(REGION,) if seq == 0 else ())
                for seq, image in enumerate(images)
            ]
            return await asyncio.gather(*(pipeline.frames.estimate(frame) for frame in frames))

        results = [result for row in await asyncio.gather(*map(session, range(3))) for result in row]
        with pytest.raises(FrameSizeChanged):
            await pipeline.frames.estimate(
                EncodedFrame(results[0].session_id, FRAMES, encoded(smooth_picture(100, 100)))
            )
    assert joints(results) == expected
