"""A frontend's side: steps 3 to 8 of a frame are a worker's; here they are handed over and waited for.

RedisExecutor      hands a frame over, waits for its answer, asks again where that was lost
  StreamLoad       how much waits in the streams, and whether more may
  ReplyChannel     the answers

A channel forgets what nobody hears, so an answer may be lost when a connection breaks: who waits looks from time to
time whether its frame is still under way, and asks again where it is not. The store has the answer then.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redis.exceptions import OutOfMemoryError

from model.values import Frame
from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import KineposeError, NoWorker, QueueFull, StoreUnavailable, WorkerFailed
from service.observability import logs, tracing
from service.observability.metrics import Metrics
from service.pipeline.processor import Turn
from service.pipeline.request import FrameRequest, Priority
from service.redis.channels import Subscriber
from service.redis.client import RedisClient, Scripts, raise_if_cancelled, run_uncancelled
from service.redis.cluster import ClusterClient
from service.redis.codec import (
    REPLY_ID_BYTES,
    ClipPart,
    Origin,
    RecordError,
    Wanted,
    decode_answer,
    encode_request,
)
from service.redis.keys import Keyspace
from service.redis.queue.clip_parts import ask_by_file, ask_by_picture
from service.redis.queue.consumer_group import ShardMismatch, WorkerRegistry, queue_scripts

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
SHARE_OF_A_FULL_REDIS = 16
"""While Redis is at its memory limit, a stream may hold this part of its bytes."""


@dataclass
class PendingReply:
    """A frame that waits for its answer."""

    id: bytes = field(default_factory=lambda: secrets.token_bytes(REPLY_ID_BYTES))
    _heard: "asyncio.Queue[FrameResult | KineposeError | Wanted | None]" = field(default_factory=asyncio.Queue)

    def deliver(self, answer: FrameResult | KineposeError | Wanted | None) -> None:
        """Its answer; None where it had better look."""
        self._heard.put_nowait(answer)

    async def answer(self, wait_s: float) -> FrameResult | Wanted | None:
        """Wait at most so long; None where there is none yet. Raises the error that was the answer."""
        try:
            async with asyncio.timeout(wait_s):
                answer = await self._heard.get()
        except TimeoutError:
            return None
        if isinstance(answer, KineposeError):
            raise answer
        return answer


class _Asked(NamedTuple):
    """A frame as it is handed over: `part` goes in the place of its picture, `size` bytes of either."""

    request: FrameRequest
    part: ClipPart | None
    reply: PendingReply
    stream: str
    size: int


class ReplyChannel:
    """The answers to one frontend: one channel, or in a cluster a sharded one for each shard.

    Args:
        client: of the deployment's Redis.
        keyspace: of the deployment.
    """

    def __init__(self, client: RedisClient, keyspace: Keyspace) -> None:
        name = secrets.token_hex(8)
        sharded = isinstance(client, ClusterClient)
        self._channels = [
            keyspace.sharded_answers(name, shard) if sharded else keyspace.answers(name)
            for shard in range(keyspace.shards)
        ]
        self._open: dict[bytes, PendingReply] = {}
        channels = self._channels if sharded else self._channels[:1]
        self._subscriber = Subscriber(client, channels, self._take, self._missed, sharded=sharded)

    def channel(self, shard: int) -> str:
        """Where the answers to frames of this shard are heard."""
        return self._channels[shard]

    @property
    def heard(self) -> bool:
        """Answers are heard now."""
        return self._subscriber.heard

    async def listen(self) -> None:
        """Hear until cancelled, over every loss of connection."""
        await self._subscriber.run()

    @contextmanager
    def expected(self) -> Iterator[PendingReply]:
        """A request whose answer is listened for as long as the block lasts."""
        reply = PendingReply()
        self._open[reply.id] = reply
        try:
            yield reply
        finally:
            del self._open[reply.id]

    def _missed(self) -> None:
        for reply in self._open.values():
            reply.deliver(None)

    def _take(self, data: bytes) -> None:
        try:
            reply_id, answer = decode_answer(data)
        except RecordError:
            log.exception("an answer that cannot be read")
            return
        waiting = self._open.get(reply_id)
        if waiting is not None:
            waiting.deliver(answer)


class StreamLoad:
    """How many frames and bytes are in each stream: as Redis said last, and what this frontend has put in itself.

    A check in one step with the XADD would be exact, and cost every frame a script with its picture. This one is
    exact for one frontend. What others put in is seen with the next look: until then the streams may hold what they
    may hold once for each frontend.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        settings: the limits.
        metrics: shows how many frames there are.

    Attributes:
        redis_is_full: it is at its memory limit, as far as this frontend knows.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, settings: Settings, metrics: Metrics) -> None:
        self._scripts = scripts
        self._streams = {keyspace.stream(shard, line): line for line in Priority for shard in range(keyspace.shards)}
        self._settings = settings
        self._metrics = metrics
        self._frames: Counter[str] = Counter()
        self._others_bytes: Counter[str] = Counter()
        self._own_bytes: Counter[str] = Counter()
        self.redis_is_full = False

    def excess(self, stream: str, size: int, *, counted: bool = False) -> str | None:
        """Why a frame of so many bytes, `counted` or not, may not go in now; None where it may. Alone it always may."""
        frames = self._frames[stream]
        held = self._others_bytes[stream] + self._own_bytes[stream] - (size if counted else 0)
        if frames >= self._settings.max_stream_frames:
            return f"{frames} frames wait for the session's worker, the limit"
        share = SHARE_OF_A_FULL_REDIS if self.redis_is_full else 1
        if held and held + size > self._settings.max_stream_bytes // share:
            return f"{held} bytes of frames wait for the session's worker, this one would go beyond the limit"
        return None

    @contextmanager
    def counted(self, stream: str, size: int) -> Iterator[None]:
        """A frame of so many bytes is in the stream for as long as the block lasts."""
        self._own_bytes[stream] += size
        try:
            yield
        finally:
            self._own_bytes[stream] -= size

    async def look(self) -> None:
        """Ask Redis. Raises StoreUnavailable."""
        with self._scripts.translate_errors():
            async with self._scripts.client.pipeline(transaction=False) as pipeline:
                for stream in self._streams:
                    pipeline.xlen(stream)
                    pipeline.memory_usage(stream, samples=0)
                found = await pipeline.execute()
        lines: Counter[Priority] = Counter()
        for (stream, line), frames, held in zip(self._streams.items(), found[::2], found[1::2], strict=True):
            lines[line] += frames
            self._frames[stream] = frames
            self._others_bytes[stream] = max(0, held - self._own_bytes[stream]) if frames else 0
        for line in Priority:
            self._metrics.stream_frames.labels(line).set(lines[line])


class RedisExecutor:
    """See `processor.FrameExecutor`. Belongs to one event loop; use it between start and aclose.

    Args:
        client: of the deployment's Redis.
        settings: limits and names.
        metrics: counts workers and frames in the streams.
    """

    def __init__(self, client: RedisClient, settings: Settings, metrics: Metrics) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        self._scripts = queue_scripts(client)
        self._registry = WorkerRegistry(self._scripts, self._keyspace, settings.worker_lease_s)
        self._replies = ReplyChannel(client, self._keyspace)
        self._load = StreamLoad(self._scripts, self._keyspace, settings, metrics)
        self._tasks: set[asyncio.Task[None]] = set()

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
        end = None if request.deadline is None else request.deadline + PAST_DEADLINE_S
        async with asyncio.timeout_at(end):
            if request.clip is not None:
                return await ask_by_file(request, request.clip, self._asked)
            return await ask_by_picture(request, self._asked)

    async def _asked(self, request: FrameRequest, part: ClipPart | None) -> FrameResult | Wanted:
        stream = self._keyspace.stream(self._keyspace.shard_of(request.session_id), request.priority)
        size = _size(request, part)
        with self._replies.expected() as reply:
            await self._room(request, stream, size)
            with self._load.counted(stream, size):
                return await self._answered(_Asked(request, part, reply, stream, size))

    async def _answered(self, asked: _Asked) -> FrameResult | Wanted:
        handed_over: asyncio.Task[bytes] | None = None
        try:
            for time in range(MOST_TIMES_LOST):
                self._metrics.frames_asked_again.inc(time > 0)
                handed_over = asyncio.create_task(self._submit(asked))
                # Shielded: whoever cancels this must not leave an entry that nobody knows of.
                answer = await self._answer(asked.reply, asked.stream, await asyncio.shield(handed_over))
                if answer is not None:
                    return answer
        except (asyncio.CancelledError, NoWorker):
            if handed_over is not None:
                self._in_background(self._withdraw(asked.reply, asked.stream, handed_over))
            raise
        raise WorkerFailed("the frame's answer was lost time and again", retry_after_ms=RETRY_AFTER_MS)

    async def _submit(self, asked: _Asked) -> bytes:
        request, budget_ms = asked.request, None
        if request.deadline is not None:
            budget_ms = max(0, round(1000 * (request.deadline - asyncio.get_running_loop().time())))
        request_id = str(logs.context().get("request_id", ""))
        channel = self._replies.channel(self._keyspace.shard_of(request.session_id))
        origin = Origin(channel, request_id, tracing.current_traceparent())
        fields: Any = encode_request(request, asked.reply.id, origin, budget_ms, asked.part)
        entry: bytes
        with self._scripts.translate_errors():
            try:
                add: Any = self._client.xadd(asked.stream, fields)
                entry = await run_uncancelled(add)
                self._load.redis_is_full = False
            except OutOfMemoryError:
                self._load.redis_is_full = True
                excess = self._load.excess(asked.stream, asked.size, counted=True)
                if excess is not None and not request.waits_for_capacity:
                    raise QueueFull(excess, retry_after_ms=RETRY_AFTER_MS) from None
                [entry] = await self._scripts.run("submit", (asked.stream,), *fields.values())
        return entry

    async def _room(self, request: FrameRequest, stream: str, size: int) -> None:
        """Refuse, or wait where the frame does, while the stream is full."""
        while (excess := self._load.excess(stream, size)) is not None:
            if not request.waits_for_capacity:
                raise QueueFull(excess, retry_after_ms=RETRY_AFTER_MS)
            await asyncio.sleep(self._registry.beat_s)

    async def _answer(self, reply: PendingReply, stream: str, entry: bytes) -> FrameResult | Wanted | None:
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
            await self._client.xdel(stream, entry)
            await self._client.publish(self._keyspace.orders(), b"W" + reply.id)

    # -- health and life ------------------------------------------------------------------------------------

    def live(self) -> bool:
        """See FrameExecutor. A frontend has nothing to lose."""
        return True

    async def ready(self) -> bool:
        """See FrameExecutor: answers are heard, and a worker lives, whose forward passes succeed."""
        return self._replies.heard and self._registry.alive() > 0

    async def start(self) -> None:
        """Begin to listen, and to watch the workers. Redis need not be there yet."""
        self._in_background(self._replies.listen())
        self._in_background(self._watch())

    async def aclose(self) -> None:
        """See FrameExecutor."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self._registry.beat()
                await self._load.look()
            except ShardMismatch as error:
                log.critical("not ready: %s", error)
            except KineposeError as error:
                log.debug("the workers cannot be watched: %s", error)
            self._metrics.workers_alive.set(self._registry.alive())
            await asyncio.sleep(self._registry.beat_s)
            raise_if_cancelled()

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _size(request: FrameRequest, part: ClipPart | None) -> int:
    """Bytes of its picture, or of what goes in its place."""
    if part is not None:
        return len(part.data)
    return request.picture.rgb.nbytes if isinstance(request.picture, Frame) else len(request.picture)
