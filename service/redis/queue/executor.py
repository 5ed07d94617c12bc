"""A frontend's side: steps 3 to 8 of a frame are a worker's; here they are handed over and waited for."""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import KineposeError, NoWorker, QueueFull, StoreUnavailable, WorkerFailed
from service.observability import logs, tracing
from service.observability.metrics import Metrics
from service.pipeline.processor import Turn
from service.pipeline.request import FrameRequest, Priority
from service.redis.client import cancel_and_wait, run_uncancelled
from service.redis.queue.codec import Origin, encode_request
from service.redis.queue.membership import ShardMismatch, WorkerRegistry
from service.redis.queue.replies import PendingReply, ReplyChannel
from service.redis.queue.scripts import queue_scripts
from service.redis.sessions.keys import Keyspace

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Who waits for so long looks whether its frame is still under way."""
MOST_TIMES_LOST = 5
"""So often a frame may be gone without an answer; then something is wrong that asking again does not mend."""
NO_WORKER_PATIENCE_S = 10.0
"""So long a frame that was accepted waits for a worker to come back."""
PAST_DEADLINE_S = 0.25
"""The worker answers that a deadline has passed; so much later the frontend does."""
RETRY_AFTER_MS = 1000


class RedisExecutor:
    """See `processor.FrameExecutor`. Belongs to one event loop; use it between start and aclose.

    Args:
        client: of the deployment's Redis.
        settings: limits and names.
        metrics: counts workers and frames in the streams.
    """

    def __init__(self, client: Redis, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        self._scripts = queue_scripts(client)
        self._registry = WorkerRegistry(self._scripts, self._keyspace, settings.worker_lease_s)
        self._replies = ReplyChannel(client, self._keyspace.answers(secrets.token_hex(8)))
        self._lengths: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def result(self, request: FrameRequest, turn: Turn) -> FrameResult:
        """See FrameExecutor. The worker has committed it; a stored answer where the frame had been answered before.

        Raises:
            NoWorker: none lives, or none came back in time.
            QueueFull: the stream of the session's shard is full, and the frame does not wait for capacity.
            TimeoutError: its deadline passed.
            KineposeError: as the worker says.
        """
        await turn()
        if not self._registry.alive():
            raise NoWorker("no worker is alive", retry_after_ms=RETRY_AFTER_MS)
        stream = self._keyspace.stream(self._keyspace.shard_of(request.session_id), request.priority)
        end = None if request.deadline is None else request.deadline + PAST_DEADLINE_S
        with self._replies.expected() as reply:
            async with asyncio.timeout_at(end):
                await self._room(request, stream)
                return await self._asked(request, reply, stream)

    async def _asked(self, request: FrameRequest, reply: PendingReply, stream: str) -> FrameResult:
        handed_over: asyncio.Task[bytes] | None = None
        try:
            for time in range(MOST_TIMES_LOST):
                self._metrics.frames_asked_again.inc(time > 0)
                handed_over = asyncio.create_task(self._submit(request, reply, stream))
                # Shielded: whoever cancels this must not leave an entry that nobody knows of.
                answer = await self._answer(reply, stream, await asyncio.shield(handed_over))
                if answer is not None:
                    return answer
        except (asyncio.CancelledError, NoWorker):
            if handed_over is not None:
                self._in_background(self._withdraw(reply, stream, handed_over))
            raise
        raise WorkerFailed("the frame's answer was lost time and again", retry_after_ms=RETRY_AFTER_MS)

    async def _submit(self, request: FrameRequest, reply: PendingReply, stream: str) -> bytes:
        budget_ms = None
        if request.deadline is not None:
            budget_ms = max(0, round(1000 * (request.deadline - asyncio.get_running_loop().time())))
        request_id = str(logs.context().get("request_id", ""))
        origin = Origin(self._replies.channel, request_id, tracing.current_traceparent())
        fields: Any = encode_request(request, reply.id, origin, budget_ms)
        entry: bytes
        with self._scripts.translate_errors():
            try:
                add: Any = self._client.xadd(stream, fields)
                entry = await run_uncancelled(add)
            except OutOfMemoryError:
                [entry] = await self._scripts.run("submit", (stream,), *fields.values())
        return entry

    async def _room(self, request: FrameRequest, stream: str) -> None:
        """Refuse, or wait where the frame does, while the stream was full when it was looked at last.

        Until it is looked at again it grows by no more than all frontends may have in flight.
        """
        while (count := self._lengths.get(stream, 0)) >= self._settings.max_stream_frames:
            if not request.waits_for_capacity:
                detail = f"{count} frames wait for the session's worker, the limit"
                raise QueueFull(detail, retry_after_ms=RETRY_AFTER_MS)
            await asyncio.sleep(self._registry.beat_s)

    async def _answer(self, reply: PendingReply, stream: str, entry: bytes) -> FrameResult | None:
        """The frame's answer; None where it is not under way any more and none was heard."""
        loop = asyncio.get_running_loop()
        last_worker = loop.time()
        while True:
            answer = await reply.answer(LOOK_S)
            if answer is not None:
                return answer
            if self._registry.alive():
                last_worker = loop.time()
            elif loop.time() - last_worker > NO_WORKER_PATIENCE_S:
                raise NoWorker("no worker is alive", retry_after_ms=RETRY_AFTER_MS)
            if not await self._is_under_way(stream, entry):
                # An answer may have been on its way while we looked.
                return await reply.answer(LOOK_S / 5)

    async def _is_under_way(self, stream: str, entry: bytes) -> bool:
        """Look; a Redis that restarts is waited for, since it has the frame on its disk."""
        end = asyncio.get_running_loop().time() + self._settings.redis_timeout_s
        while True:
            try:
                [waits] = await self._scripts.run("waits", (stream,), entry)
                return bool(waits)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(LOOK_S / 5)

    async def _withdraw(self, reply: PendingReply, stream: str, handed_over: "asyncio.Task[bytes]") -> None:
        """Nobody waits for the frame any more: take it out, and tell the worker that may have it."""
        with suppress(KineposeError), self._scripts.translate_errors():
            entry = await handed_over
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.xdel(stream, entry)
                pipeline.publish(self._keyspace.orders(), b"W" + reply.id)
                await pipeline.execute()

    # -- health and life ------------------------------------------------------------------------------------

    def live(self) -> bool:
        """See FrameExecutor. A frontend has nothing to lose."""
        return True

    async def ready(self) -> bool:
        """See FrameExecutor: answers are heard, and a worker lives, whose forward passes succeed."""
        return self._replies.heard and self._registry.alive() > 0

    async def start(self) -> None:
        """Begin to listen, and to watch the workers. Redis need not be there yet."""
        self._tasks = [
            asyncio.create_task(self._replies.listen(), name="kinepose-replies"),
            asyncio.create_task(self._watch(), name="kinepose-workers"),
        ]

    async def aclose(self) -> None:
        """See FrameExecutor."""
        await cancel_and_wait(*self._tasks)

    async def _watch(self) -> None:
        while True:
            try:
                await self._registry.beat()
                await self._measure()
            except ShardMismatch as error:
                log.critical("not ready: %s", error)
            except KineposeError as error:
                log.debug("the workers cannot be watched: %s", error)
            self._metrics.workers_alive.set(self._registry.alive())
            await asyncio.sleep(self._registry.beat_s)

    async def _measure(self) -> None:
        shards = range(self._keyspace.shards)
        streams = {(shard, line): self._keyspace.stream(shard, line) for line in Priority for shard in shards}
        with self._scripts.translate_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in streams.values():
                    pipeline.xlen(stream)
                counts = await pipeline.execute()
        self._lengths = dict(zip(streams.values(), counts, strict=True))
        for line in Priority:
            own = (count for (_, where), count in zip(streams, counts, strict=True) if where == line)
            self._metrics.stream_frames.labels(line).set(sum(own))

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
