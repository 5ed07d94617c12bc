"""What the service adds to a frame: the time it spends outside decoding and outside the network.

Streams run side by side on one pipeline with the real model, each sending a frame when it has the answer to the last.
Of a frame's latency, the time in which it was decoded, and the time in which the network was at work while it waited or
was read (its own batch or another), is taken off. What is left is ours: admission, ordering, batching, session store,
cutting crops, reading heatmaps, thread changes. Transports are not in it.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from bench.machine import machine
from model.engines.base import Engine, ModelInput, ModelOutput
from model.tracker import Tracker
from model.values import Region
from service.config import Settings
from service.contract.messages import EncodedFrame, SessionOptions
from service.inference.loaded_model import LoadedModel, load_model
from service.observability.metrics import Metrics
from service.pipeline.pipeline import Pipeline
from service.processes.embedded import embedded

PICTURE_SIZE = (640, 360)
PICTURES = 8
PERSON = Region(240, 60, 120, 260)
WARM_UP_FRAMES = 3
PERCENTILES = (50, 99)

Span = tuple[float, float]


@dataclass(slots=True)
class _FrameRecord:
    decode: Span | None = None


_current: ContextVar[_FrameRecord] = ContextVar("_current")


class TimedEngine:
    """An engine that notes when it was at work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.config = engine.config
        self.device, self.signature, self.parallel = engine.device, engine.signature, engine.parallel
        self.spans: list[Span] = []

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """As the engine."""
        begin = time.perf_counter()
        outputs = self._engine.infer(inputs)
        self.spans.append((begin, time.perf_counter()))
        return outputs


class _DecodeTimes:
    """Stands where the compute histogram is. A frame's own task inherits the record of who sent it."""

    def labels(self, stage: str) -> "_DecodeTimes":
        return self if stage == "decode" else _Ignored()

    def observe(self, seconds: float) -> None:
        now = time.perf_counter()
        _current.get().decode = (now - seconds, now)


class _Ignored(_DecodeTimes):
    def observe(self, seconds: float) -> None:
        pass


def overhead_s(frame: Span, known: Sequence[Span]) -> float:
    """Length of `frame` outside all the `known` spans, which may overlap one another."""
    begin, end = frame
    left, at = 0.0, begin
    for start, stop in sorted(known):
        left += max(0.0, min(start, end) - at)
        at = max(at, stop)
    return left + max(0.0, end - at)


async def measure(settings: Settings, streams: Sequence[int], frames: int) -> dict[str, Any]:
    """The report: overhead and latency by number of streams, `frames` frames a stream, and the machine."""
    loaded = await asyncio.to_thread(load_model, settings)
    assert isinstance(loaded.stepper, Tracker)
    engine = TimedEngine(loaded.stepper.engine)
    timed = replace(loaded, stepper=Tracker(engine, loaded.stepper.model_digest, loaded.stepper.finder))
    runs = [await _run(settings, timed, engine, count, frames) for count in streams]
    return {
        "measures": "milliseconds a frame, in one process, without transport; overhead = latency less decoding"
        " and less the time that the network was at work",
        "machine": machine(),
        "model": {"name": loaded.info.name, "version": loaded.info.version, "sha256": loaded.info.sha256},
        "device": engine.device,
        "picture": {"size": list(PICTURE_SIZE), "kind": "jpeg"},
        "runs": runs,
    }


async def _run(
    settings: Settings, loaded: LoadedModel, engine: TimedEngine, streams: int, frames: int
) -> dict[str, Any]:
    metrics = Metrics()
    metrics.compute_duration = _DecodeTimes()  # type: ignore[assignment]
    pipeline = embedded(settings, loaded, metrics)
    _current.set(_FrameRecord())  # for the warm-up, which nobody asks about
    await pipeline.start()
    try:
        pictures = _pictures()
        await asyncio.gather(*(_stream(pipeline, pictures, WARM_UP_FRAMES) for _ in range(streams)))
        engine.spans.clear()
        timed = await asyncio.gather(*(_stream(pipeline, pictures, frames) for _ in range(streams)))
    finally:
        await pipeline.aclose()
    return _summary(streams, [record for stream in timed for record in stream], engine.spans)


async def _stream(pipeline: Pipeline, pictures: Sequence[bytes], frames: int) -> list[tuple[Span, Span]]:
    """(frame, its decoding) of each frame."""
    session = await pipeline.sessions.create(SessionOptions())
    done = []
    for seq in range(frames):
        record = _FrameRecord()
        _current.set(record)
        begin = time.perf_counter()
        # With its region given every frame is one pass of the network: no search blurs the numbers.
        await pipeline.frames.estimate(
            EncodedFrame(session.session_id, seq, pictures[seq % len(pictures)], regions=(PERSON,))
        )
        assert record.decode is not None
        done.append(((begin, time.perf_counter()), record.decode))
    await pipeline.sessions.close(session.session_id)
    return done


def _summary(streams: int, timed: Sequence[tuple[Span, Span]], network: Sequence[Span]) -> dict[str, Any]:
    network = sorted(network)
    longest = max((end - begin for begin, end in network), default=0.0)
    overhead = [overhead_s(frame, [decode, *_during(frame, network, longest)]) for frame, decode in timed]
    return {
        "streams": streams,
        "frames": len(timed),
        "overhead_ms": _percentiles(overhead),
        "latency_ms": _percentiles([end - begin for (begin, end), _ in timed]),
        "decode_ms": _percentiles([end - begin for _, (begin, end) in timed]),
    }


def _during(frame: Span, spans: Sequence[Span], longest: float) -> list[Span]:
    """Those of the sorted spans, of which none is longer than `longest`, that overlap the frame."""
    first, last = (bisect_left(spans, (moment, 0.0)) for moment in (frame[0] - longest, frame[1]))
    return [span for span in spans[first:last] if span[1] > frame[0]]


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    values = np.percentile(np.array(seconds) * 1000, PERCENTILES)
    return {f"p{name}": round(float(value), 3) for name, value in zip(PERCENTILES, values, strict=True)}


def _pictures() -> list[bytes]:
    """JPEGs of noise as smooth as a photograph, each another."""
    width, height = PICTURE_SIZE
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (PICTURES, height // 8, width // 8, 3), np.uint8)
    return [cv2.imencode(".jpg", cv2.resize(picture, PICTURE_SIZE))[1].tobytes() for picture in small]
