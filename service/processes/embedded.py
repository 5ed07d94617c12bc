"""A pipeline that has everything in its own process: sessions in memory, the model beside them.

Apart from `wiring`, since it brings the model's runtime, which a frontend does without.
"""

import asyncio
import time

from service.config import Settings
from service.inference.executor import LocalExecutor
from service.inference.loaded_model import LoadedModel, load_model
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.sessions.memory import InMemorySessions
from service.sessions.store import Clock


def embedded(
    settings: Settings, loaded: LoadedModel, metrics: Metrics | None = None, clock: Clock = time.monotonic
) -> Pipeline:
    """The pipeline; not started."""
    metrics = metrics or Metrics()
    store = InMemorySessions(settings.max_sessions, settings.remembered_sessions, metrics, clock)
    executor = LocalExecutor(settings, loaded, store, metrics, clock)
    return Pipeline(settings, loaded.card, executor, store, metrics=metrics)


async def load_embedded(settings: Settings, metrics: Metrics | None) -> Pipeline:
    """The pipeline with the model that the settings name; not started. Raises what `load_model` does."""
    metrics = metrics or Metrics()
    return embedded(settings, await asyncio.to_thread(load_model, settings, metrics), metrics)
