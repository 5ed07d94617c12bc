"""The whole pipeline with the real tracker, engine and network; only the weights are random."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from model.tracker import TrackRequest
from model.values import Frame, Region
from service.config import Settings
from service.contract.messages import EncodedFrame, FrameResult, SessionOptions
from service.errors import FrameSizeChanged
from service.inference.loaded_model import LoadedModel, load_model
from service.pipeline.pipeline import Pipeline
from service.processes.wiring import embedded
from tests.support.pictures import encoded, smooth_picture
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
    return [result.pose.xy_px.tobytes() + result.pose.score.tobytes() for result in results if result.pose is not None]


@asynccontextmanager
async def started(loaded: LoadedModel) -> AsyncIterator[Pipeline]:
    """A warm pipeline."""
    pipeline = embedded(SETTINGS, loaded)
    try:
        await pipeline.start()
        yield pipeline
    finally:
        await pipeline.aclose()


@pytest.mark.slow
async def test_sessions_side_by_side_give_what_the_tracker_gives_alone(loaded: LoadedModel) -> None:
    """Bit for bit: the service adds nothing to the numbers, nor do the neighbours in a batch."""
    pictures = [[smooth_picture(200, 200, seed=10 * s + t) for t in range(FRAMES)] for s in range(3)]
    expected = []
    for frames in pictures:
        state = None
        for seq, rgb in enumerate(frames):
            request = TrackRequest(Frame(rgb), seq, state, REGION if seq == 0 else None)
            [tracked] = await asyncio.to_thread(loaded.stepper.step, [request])
            assert not isinstance(tracked, Exception)
            state = tracked.state
            expected.append(tracked.pose.xy_px.tobytes() + tracked.pose.score.tobytes())

    async with started(loaded) as pipeline:
        assert await pipeline.ready()

        async def session(number: int) -> list[FrameResult]:
            name = (await pipeline.create_session(SessionOptions())).session_id
            images = [encoded(rgb) for rgb in pictures[number]]
            frames = [
                EncodedFrame(name, seq, image, region=REGION if seq == 0 else None) for seq, image in enumerate(images)
            ]
            return await asyncio.gather(*(pipeline.estimate(frame) for frame in frames))

        results = [result for row in await asyncio.gather(*map(session, range(3))) for result in row]
        with pytest.raises(FrameSizeChanged):
            await pipeline.estimate(EncodedFrame(results[0].session_id, FRAMES, encoded(smooth_picture(100, 100))))
    assert joints(results) == expected
