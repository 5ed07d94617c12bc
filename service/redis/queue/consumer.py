"""A worker's loop: frames come in from the streams of its shards, each is brought to its end and answered."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import DeviceLost, KineposeError, StoreUnavailable, WorkerFailed
from service.observability import logs, tracing
from service.observability.metrics import Metrics
from service.pipeline.processor import FrameExecutor, FrameProcessor, Turn
from service.pipeline.request import FrameRequest, Priority
from service.redis.client import cancel_and_wait
from service.redis.queue.codec import Origin, Sent, encode_answer
from service.redis.queue.consumer_group import MOST_DELIVERIES, ConsumerGroup
from service.redis.queue.membership import WorkerRegistry
from service.redis.queue.scripts import queue_scripts
from service.redis.sessions.keys import Keyspace
from service.sessions.store import Delivery, Place

log = logging.getLogger(__name__)

BLOCK_MS = 250
"""A read that waits does not see new shards for so long."""
AGAIN_S = 0.2
HEAD_START_S = 0.0005
LISTEN_S = 1.0
REMEMBER_S = 10.0
"""So long a withdrawn frame is known, should it come after the word that it is withdrawn."""


class StreamConsumer:
    """One worker between its streams and its model. Belongs to one event loop.

    Args:
        client: of the deployment's Redis.
        name: this worker's, like no other's.
        settings: limits and names.
        executor: the model; as long as it is ready, this worker says that it lives.
        processor: brings frames to their ends by it.
        metrics: counts what was taken over.
    """

    def __init__(
        self,
        client: Redis,
        name: str,
        settings: Settings,
        executor: FrameExecutor,
        processor: FrameProcessor,
        metrics: Metrics,
    ) -> None:
        keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        scripts = queue_scripts(client)
        self._client = client
        self._orders = keyspace.orders()
        self._most = settings.worker_frames
        self._grace_s = settings.drain_grace_s
        self._executor = executor
        self._processor = processor
        self._metrics = metrics
        self._registry = WorkerRegistry(scripts, keyspace, settings.worker_lease_s, name)
        self._group = ConsumerGroup(scripts, keyspace, name, settings.worker_lease_s)
        self._at_work: dict[Place, asyncio.Task[None]] = {}
        self._by_reply: dict[bytes, asyncio.Task[None]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}
        self._count: Counter[Priority] = Counter()
        self._room = asyncio.Event()
        self._members_changed = asyncio.Event()
        self._withdrawn: set[bytes] = set()
        self._look_again = True
        self._stopping = False

    async def run(self) -> None:
        """Take frames until `stop`, or until the device is lost. Raises ShardMismatch."""
        taking = asyncio.create_task(self._take(), name="kinepose-take")
        beside = [
            asyncio.create_task(self._beat(), name="kinepose-beat"),
            asyncio.create_task(self._hear_orders(), name="kinepose-orders"),
        ]
        try:
            done, _ = await asyncio.wait([taking, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_and_wait(taking, *beside)

    def stop(self) -> None:
        """Take no more. `run` returns when the read that is under way has ended: what it brings is not lost."""
        self._stopping = True

    def shards(self) -> tuple[int, ...]:
        """The shards that it reads."""
        return self._registry.own_shards

    def workers(self) -> tuple[str, ...]:
        """Names of the workers that it knows to live."""
        return self._registry.workers

    def at_work(self) -> "list[asyncio.Task[None]]":
        """The frames that were taken and have not ended."""
        return list(self._at_work.values())

    async def finish(self) -> bool:
        """After `run`: leave the list, and bring what was taken to its end; False where the grace was too short.

        What is left then is cancelled and not answered: another worker takes it over.
        """
        with suppress(KineposeError):
            await self._registry.leave()
        tasks = self.at_work()
        _, late = await asyncio.wait(tasks, timeout=self._grace_s) if tasks else (None, set())
        await cancel_and_wait(*late)
        return not late

    # -- who lives ------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            if await self._executor.ready():
                with suppress(KineposeError):
                    await self._registry.beat()
            self._members_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._registry.beat_s):
                    await self._members_changed.wait()

    async def _hear_orders(self) -> None:
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._orders)
                    while True:
                        message = await channel.get_message(timeout=LISTEN_S)
                        if message is not None:
                            self._obey(message["data"])
            except (RedisError, OSError):
                await asyncio.sleep(AGAIN_S)

    def _obey(self, order: bytes) -> None:
        if order == b"M":
            self._members_changed.set()
            return
        reply_id = order[1:]
        # It may be on its way to us still.
        self._withdrawn.add(reply_id)
        asyncio.get_running_loop().call_later(REMEMBER_S, self._withdrawn.discard, reply_id)
        if (task := self._by_reply.get(reply_id)) is not None:
            task.cancel()

    # -- what comes in --------------------------------------------------------------------------------------

    async def _take(self) -> None:
        """Read, and look for what dead workers left; after every failure, for what was left here."""
        loop = asyncio.get_running_loop()
        look_at = -1.0
        while self._executor.live() and not self._stopping:
            try:
                if self._look_again:
                    await self._group.open()
                    self._begin(await self._group.unfinished(self._at_work))
                    self._look_again = False
                if loop.time() >= look_at:
                    look_at = loop.time() + self._registry.beat_s
                    await self._take_over()
                await self._read()
            except KineposeError as error:
                log.debug("nothing can be read: %s", error)
                self._look_again = True
                await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        shards = self._registry.own_shards
        lines = [line for line in Priority if self._count[line] < self._most]
        if not shards or not lines:
            await self._wait_for_room()
            return
        # Where one line is full, the other must not keep us from reading it again when it has room.
        block_ms = BLOCK_MS if len(lines) == len(Priority) else None
        sent = await self._group.read(shards, lines, block_ms)
        self._begin(sent)
        if sent:
            # Writing the next read would keep the threads that decode these from beginning.
            await asyncio.sleep(HEAD_START_S)
        elif block_ms is None:
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        self._room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCK_MS / 1000):
                await self._room.wait()

    async def _take_over(self) -> None:
        for left in await self._group.left(self._registry.own_shards, self._registry.workers):
            frames = await self._group.take_over(left)
            if left.deliveries < MOST_DELIVERIES:
                self._begin(frames)
                self._metrics.frames_claimed.inc(len(frames))
                continue
            for sent in frames:
                log.error(
                    "session %s frame %d ended %d workers", sent.request.session_id, sent.request.seq, left.deliveries
                )
                await self._reply(_delivery(sent.request), WorkerFailed("the frame ended every worker that had it"))

    # -- what is at work ------------------------------------------------------------------------------------

    def _begin(self, frames: Iterable[Sent]) -> None:
        for sent in frames:
            delivery = _delivery(sent.request)
            if delivery.place not in self._at_work:
                self._start(sent, delivery)

    def _start(self, sent: Sent, delivery: Delivery) -> None:
        request, line = sent.request, sent.request.priority
        task = asyncio.create_task(self._serve(sent, delivery, self._last.get(request.session_id)))
        self._at_work[delivery.place] = self._by_reply[delivery.reply_id] = self._last[request.session_id] = task
        self._count[line] += 1

        def on_done(task: asyncio.Task[None]) -> None:
            self._count[line] -= 1
            del self._at_work[delivery.place]
            if self._by_reply.get(delivery.reply_id) is task:
                del self._by_reply[delivery.reply_id]
            if self._last.get(request.session_id) is task:
                del self._last[request.session_id]
            self._room.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("session %s frame %d: a bug", request.session_id, request.seq, exc_info=error)

        task.add_done_callback(on_done)

    async def _serve(self, sent: Sent, delivery: Delivery, before: "asyncio.Task[None] | None") -> None:
        async def turn() -> None:
            # The same frame, asked for once more: its first reading answers it, the second finds that answer.
            if before is not None:
                await asyncio.wait({before})

        request = self._with_deadline(sent, delivery)
        if delivery.reply_id in self._withdrawn:
            await self._forget(delivery)
            return
        try:
            answer: FrameResult | KineposeError = await self._process(sent.origin, request, turn)
        except (StoreUnavailable, DeviceLost) as error:
            log.info("session %s frame %d is left for later: %s", request.session_id, request.seq, error)
            self._look_again = True
            return
        except KineposeError as error:
            answer = error
        except asyncio.CancelledError:
            if delivery.reply_id in self._withdrawn:
                await self._forget(delivery)
            raise
        if not delivery.settled:
            await self._reply(delivery, answer)

    async def _process(self, origin: Origin, request: FrameRequest, turn: Turn) -> FrameResult:
        fields = {"request_id": origin.request_id or None, "session_id": request.session_id, "seq": request.seq}
        with logs.bound_context(**fields), tracing.continued(origin.traceparent):
            return await self._processor.process(request, turn)

    def _with_deadline(self, sent: Sent, delivery: Delivery) -> FrameRequest:
        if sent.budget_ms is None:
            return sent.request
        made_at_ms = int(delivery.entry.partition(b"-")[0])
        return replace(sent.request, deadline=(made_at_ms + sent.budget_ms) / 1000 - self._registry.ahead_s)

    async def _reply(self, delivery: Delivery, answer: FrameResult | KineposeError) -> None:
        with suppress(KineposeError):  # It is found again as unfinished.
            blob = encode_answer(delivery.reply_id, answer)
            await self._group.answer(delivery.stream, delivery.entry, delivery.channel, blob)

    async def _forget(self, delivery: Delivery) -> None:
        with suppress(KineposeError):
            await self._group.answer(delivery.stream, delivery.entry)


def _delivery(request: FrameRequest) -> Delivery:
    assert request.delivery is not None  # It came out of a stream.
    return request.delivery
