"""Steps 3 to 8 of a frame in the process that has the model: decode, checkout, infer, commit."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from model.skeletons import Skeleton
from model.tracker import Tracked, TrackRequest
from model.values import Frame
from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import ModelUnknown, StaleCommit
from service.inference.batcher import Batcher, FrameQueue
from service.inference.decoder import Decoder, Decoding
from service.inference.device_loop import DeviceLoop
from service.inference.loaded_model import LoadedModel
from service.inference.probe import HealthProbe
from service.inference.smoothing import smoothed
from service.observability import tracing
from service.observability.metrics import Metrics
from service.pipeline.processor import Turn, computed
from service.pipeline.request import FrameRequest
from service.sessions.store import Checkout, Clock, SessionStore


class LocalExecutor:
    """The model, its device, and the sessions beside it. Belongs to one event loop; use it between start and aclose.

    Args:
        settings: limits on pictures and batches.
        loaded: what computes.
        store: where sessions are.
        metrics: measures stages and batches.
        clock: seconds, never going back.

    Attributes:
        decoder: what decodes pictures.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: LoadedModel,
        store: SessionStore,
        metrics: Metrics,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self._skeleton: Skeleton = loaded.skeleton
        self._model = loaded.info
        # One by one, a frame is computed as it is in any batch.
        self._warm_up_batch = settings.max_batch if loaded.stacks else 1
        self._store = store
        self._metrics = metrics
        self._sessions: Counter[str] = Counter()
        self._queue = FrameQueue()
        self._device_loops = [self._device_loop(loaded, clock) for _ in range(loaded.parallel)]
        self._health = HealthProbe(self._device_loops, self._queue, settings.ready_timeout_s, clock)
        self.decoder = Decoder(settings, metrics)
        self._loop_tasks: list[asyncio.Task[None]] = []

    def _device_loop(self, loaded: LoadedModel, clock: Clock) -> DeviceLoop:
        batcher = Batcher(
            self._queue,
            live_sessions=lambda: len(self._sessions),
            most_inputs=self._settings.max_batch if loaded.stacks else 1,
            wait_s=self._settings.batch_wait_ms / 1000,
            background_every=self._settings.clip_every,
            shares_queue=loaded.parallel > 1,
        )
        return DeviceLoop(loaded.stepper, self._queue, batcher, self._metrics, clock)

    async def result(self, request: FrameRequest, turn: Turn) -> FrameResult:
        """A frame's answer, committed; the stored one where the frame had been answered before.

        Raises:
            BadImage, ImageTooLarge, FrameSizeChanged, BadRegion: the frame is at fault.
            TimeoutError: its deadline passed before it was computed.
            KineposeError: as the store and the worker say.
        """
        with self.decoder.decoding(request) as decoded:
            try:
                return await self._tried(request, turn, decoded)
            except StaleCommit:
                # The hot state was old, or another worker was faster; if with this very frame, that is its answer.
                return await self._tried(request, turn, decoded)

    async def _tried(self, request: FrameRequest, turn: Turn, decoded: Decoding) -> FrameResult:
        async with asyncio.timeout_at(request.deadline):
            # Not for the commit: a batch is kept waiting for those who may still come to it.
            with self._working_on(request.session_id):
                await turn()
                start = await self._checkout(request)
                if start.replay is not None:
                    return start.replay
                self._check_model(start)
                frame = await decoded.frame(start.meta.owner)
                tracked = await self._infer(request, frame, start)
        return await self._commit(request, frame, start, tracked)

    @contextmanager
    def _working_on(self, session_id: str) -> Iterator[None]:
        self._sessions[session_id] += 1
        try:
            yield
        finally:
            self._sessions[session_id] -= 1
            if not self._sessions[session_id]:
                del self._sessions[session_id]

    def _check_model(self, start: Checkout) -> None:
        wanted = start.meta.model.name
        if wanted != self._model.name:
            raise ModelUnknown(f"the session wants model {wanted!r}; this worker has {self._model.name!r}")

    async def _checkout(self, request: FrameRequest) -> Checkout:
        with self._metrics.state_io.labels("checkout").time():
            return await self._store.checkout(request.session_id, request.seq)

    async def _infer(self, request: FrameRequest, frame: Frame, start: Checkout) -> Tracked:
        max_people = start.meta.options.max_people
        track_request = TrackRequest(frame, request.seq, start.state, request.regions, max_people)
        with tracing.span("infer"):
            return await self._queue.submit(request.session_id, track_request, request.priority)

    async def _commit(self, request: FrameRequest, frame: Frame, start: Checkout, tracked: Tracked) -> FrameResult:
        # Named after what computed it: the session may have begun with other weights of that name.
        result, state = computed(request, frame, tracked, self._model, self._skeleton), tracked.state
        if smoothing := start.meta.options.smoothing:
            result, state = smoothed(result, start.state, state, self._skeleton, smoothing)
        with tracing.span("commit"), self._metrics.state_io.labels("commit").time():
            await self._store.commit(request.session_id, start.version, state, result, request.delivery)
        self._count_people(start, tracked)
        return result

    def _count_people(self, start: Checkout, tracked: Tracked) -> None:
        self._metrics.people.observe(len(tracked.people))
        self._metrics.tracks_started.inc(tracked.state.next_id - (start.state.next_id if start.state else 1))
        for track in tracked.ended:
            self._metrics.tracks_ended.labels(track.reason.value).inc()

    # -- health and life ------------------------------------------------------------------------------------

    def live(self) -> bool:
        """False once the device is lost: only a new process helps."""
        return self._health.live()

    async def ready(self) -> bool:
        """True where a real forward pass came through within the last second, and pictures are decoded."""
        return await self._health.ready() and await self.decoder.works(self._settings.ready_timeout_s)

    async def start(self) -> None:
        """Warm the model up, then take work. Raises WarmUpFailed."""
        await asyncio.gather(*(loop.warm_up(self._warm_up_batch) for loop in self._device_loops))
        self._loop_tasks = [asyncio.create_task(loop.run(), name="kinepose-device") for loop in self._device_loops]

    async def device_lost(self) -> None:
        """Return when the device is lost."""
        await asyncio.wait(self._loop_tasks, return_when=asyncio.FIRST_COMPLETED)

    async def aclose(self) -> None:
        """End the device's threads and all that waits for them."""
        for task in self._loop_tasks:
            task.cancel()
        await asyncio.gather(*self._loop_tasks, return_exceptions=True)
        for loop in self._device_loops:
            await loop.close()
        await self.decoder.aclose()
