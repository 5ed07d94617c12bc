"""Answers say which weights computed them, whatever the session was begun with."""

import pytest

from service.contract.messages import ModelInfo, SessionOptions
from service.errors import ModelUnknown
from service.inference.executor import LocalExecutor
from service.pipeline.pipeline import Pipeline
from service.sessions.store import SessionMeta
from tests.support.pipelines import CARD, frame, running
from tests.support.trackers import FakeTracker


async def begun_elsewhere(pipeline: Pipeline, model: ModelInfo) -> None:
    """A session "x", as a frontend with that model begins it."""
    assert isinstance(pipeline.executor, LocalExecutor)
    await pipeline.executor._store.create("x", SessionMeta(model, SessionOptions(), 60.0, None), None)


async def test_other_weights_of_the_same_name_are_named_as_they_are() -> None:
    """A rolling update: the session is told whose joints it gets."""
    async with running(FakeTracker()) as pipeline:
        await begun_elsewhere(pipeline, ModelInfo(CARD.name, "0", "f" * 64))
        result = await pipeline.frames.estimate(frame(0, session="x"))
    assert (result.model.version, result.model.sha256) == (CARD.version, CARD.sha256)


async def test_a_worker_with_another_model_refuses_the_frame() -> None:
    """Its seq stays free for a worker that has the model."""
    async with running(FakeTracker()) as pipeline:
        await begun_elsewhere(pipeline, ModelInfo("other", "1", "f" * 64))
        with pytest.raises(ModelUnknown, match="other"):
            await pipeline.frames.estimate(frame(0, session="x"))
        assert (await pipeline.sessions.info("x")).next_seq == 0
