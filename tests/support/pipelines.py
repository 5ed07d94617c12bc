"""A running pipeline around a fake tracker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from model.cards import ModelCard
from model.skeletons import KINEPOSE_13
from service.config import Settings
from service.contract.messages import EncodedFrame, FrameResult, SessionOptions
from service.inference.device_loop import Stepper
from service.inference.loaded_model import LoadedModel
from service.pipeline.pipeline import Pipeline
from service.processes.embedded import embedded
from service.sessions.store import Clock
from tests.support.trackers import PATIENCE_S, picture

CARD = ModelCard(
    name="fake",
    version="1",
    sha256="0" * 64,
    skeleton=KINEPOSE_13.name,
    input_size=256,
    gflop=0.0,
    parameters=0,
    licence="Apache-2.0",
    data="none",
)


class ManualClock:
    """Time that goes on only when set."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


class Source:
    """A client's frames, one after the other as they are put in; tells how many were taken."""

    def __init__(self, *frames: EncodedFrame) -> None:
        self._waiting: asyncio.Queue[EncodedFrame | Exception | None] = asyncio.Queue()
        self.taken = 0
        self.put(*frames)

    def put(self, *frames: EncodedFrame) -> None:
        """Send."""
        for one in frames:
            self._waiting.put_nowait(one)

    def end(self, error: Exception | None = None) -> None:
        """Send no more; or break off."""
        self._waiting.put_nowait(error)

    async def __aiter__(self) -> AsyncIterator[EncodedFrame]:
        while (item := await self._waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            self.taken += 1
            yield item


def make_pipeline(stepper: Stepper, *, clock: Clock | None = None, **settings: Any) -> Pipeline:
    """A pipeline that is not started. Batches do not wait for company unless a test says so."""
    chosen = Settings(**{"batch_wait_ms": 0.0, "drain_grace_s": 10.0, "max_batch": 4, **settings})
    loaded = LoadedModel(CARD, KINEPOSE_13, stepper)
    return embedded(chosen, loaded, clock=clock) if clock else embedded(chosen, loaded)


@asynccontextmanager
async def running(stepper: Stepper, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Pipeline]:
    """A started pipeline with a session "s"."""
    pipeline = make_pipeline(stepper, clock=clock, **settings)
    try:
        await pipeline.start()
        await pipeline.sessions.create(SessionOptions(), "s")
        yield pipeline
    finally:
        await pipeline.aclose()


def frame(seq: int, shade: int | None = None, session: str = "s", **fields: Any) -> EncodedFrame:
    """A frame to send; its shade is its seq unless given."""
    fields.setdefault("image", picture(seq % 200 if shade is None else shade))
    return EncodedFrame(session, seq, **fields)


def value_of(result: FrameResult) -> int:
    """What the fake tracker's joints say."""
    return int(result.people[0].pose.xy_px[0, 0])


def counted(pipeline: Pipeline, name: str, **labels: str) -> float:
    """The value of a metric's sample, 0 where there is none yet."""
    return pipeline.metrics.registry.get_sample_value(f"kinepose_{name}", labels) or 0.0


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until this holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - metrics tell nobody that they have changed
            await asyncio.sleep(0)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until this holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_S
    while not await condition():
        # Not asyncio.timeout: redis-py may swallow its cancellation, see service.redis.client.
        assert loop.time() < end, f"it does not hold, and has had {PATIENCE_S:.0f} s"


async def in_flight(pipeline: Pipeline, frames: int) -> None:
    """Wait until so many frames have been admitted and not answered."""
    await until(lambda: counted(pipeline, "pending_frames") == frames)
