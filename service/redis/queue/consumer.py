"""A worker's loop: frames come in from the streams of its shards, each is brought to its end and answered.

StreamConsumer     the whole, for as long as the worker runs
  FrameReader      reads new frames; in a cluster, one for each shard
  TakeOver         brings to their ends the frames that dead workers left; as many as there are readers
  FrameTasks       the frames at work, each in a task that ends with its answer
  WorkerControl    the heartbeat, and what all workers are told
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import DeviceLost, KineposeError, NotReplicated, StoreUnavailable
from service.observability import logs, tracing
from service.observability.metrics import Metrics
from service.pipeline.processor import FrameExecutor, FrameProcessor, Turn
from service.pipeline.request import FrameRequest, Priority
from service.redis.channels import Subscriber
from service.redis.client import RedisClient, raise_if_cancelled
from service.redis.cluster import ClusterClient
from service.redis.codec import Sent, Wanted, encode_answer
from service.redis.keys import Keyspace
from service.redis.queue.clip_files import PIXELS, ClipFiles
from service.redis.queue.consumer_group import ConsumerGroup, WorkerRegistry, queue_scripts
from service.redis.queue.take_over import SUSPECT_S, TakeOver, delivery_of
from service.sessions.store import Delivery, Place

log = logging.getLogger(__name__)

BLOCK_MS = 250
"""A read that waits does not see new shards for so long."""
BLOCK_IN_CLUSTER_MS = 1000
"""There each shard has a reader of its own, which waits for nothing else."""
AGAIN_S = 0.2
HEAD_START_S = 0.0005
REMEMBER_S = 10.0
"""So long a withdrawn frame is known, should it come after the word that it is withdrawn."""


class _Work(NamedTuple):
    request: FrameRequest
    delivery: Delivery
    task: "asyncio.Task[bool]"


@dataclass
class FrameTasks:
    """The frames that a worker has taken and that have not ended, of live streams and of clips each up to `most`.

    Attributes:
        at_work: which they are.
        left: streams in which a frame ended without an answer and is still this worker's: it is to be read again.
        suspects: frames that this worker took over, and left when Redis was away; see TakeOver.
    """

    tasks: asyncio.TaskGroup
    processor: FrameProcessor
    group: ConsumerGroup
    registry: WorkerRegistry
    clips: ClipFiles
    most: int
    left: set[str] = field(default_factory=set)
    at_work: dict[Place, _Work] = field(default_factory=dict)
    suspects: dict[Place, Sent] = field(default_factory=dict)
    _withdrawn: set[bytes] = field(default_factory=set)
    _computed: "set[asyncio.Task[object]]" = field(default_factory=set)
    _quarantine: asyncio.Lock = field(default_factory=asyncio.Lock)
    _quarantine_over: asyncio.Event = field(default_factory=asyncio.Event)
    _one_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._quarantine_over.set()

    def open_lines(self) -> list[Priority]:
        """Those of which more frames may be taken."""
        lines = [work.request.priority for work in self.at_work.values()]
        return [line for line in Priority if lines.count(line) < self.most]

    async def wait_for_end(self, most_s: float) -> None:
        """Return when a frame ends, or when so long has passed."""
        self._one_ended.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._one_ended.wait()

    @asynccontextmanager
    async def quarantine(self) -> AsyncIterator[None]:
        """While the block lasts, no frames are computed but those that it begins as suspects."""
        async with self._quarantine:
            self._quarantine_over.clear()
            try:
                if self._computed:
                    await asyncio.wait(self._computed, timeout=SUSPECT_S)
                yield
            finally:
                self._quarantine_over.set()

    def begin(self, frames: Iterable[Sent], *, suspect: bool = False) -> "list[asyncio.Task[bool]]":
        """Take these on, but for those that are at work already; their work. Suspects do not wait for a quarantine."""
        begun = []
        for sent in frames:
            request, delivery = sent.request, delivery_of(sent.request)
            if delivery.place in self.at_work:
                continue
            before = [work.task for work in self.at_work.values() if work.request.session_id == request.session_id]
            task = self.tasks.create_task(self._guarded(sent, delivery, before, suspect))
            self.at_work[delivery.place] = _Work(request, delivery, task)
            task.add_done_callback(partial(self._ended, delivery.place))
            begun.append(task)
        return begun

    def _ended(self, place: Place, task: "asyncio.Task[bool]") -> None:
        # Not before it is out of `at_work`: who looks for what was left passes over what is in there.
        del self.at_work[place]
        if not task.cancelled() and not task.result():
            self.left.add(place[0])
        self._one_ended.set()

    def withdraw(self, reply_id: bytes) -> None:
        """Nobody waits for this frame any more; it may be on its way here still."""
        self._withdrawn.add(reply_id)
        asyncio.get_running_loop().call_later(REMEMBER_S, self._withdrawn.discard, reply_id)
        for work in self.at_work.values():
            if work.delivery.reply_id == reply_id:
                work.task.cancel()

    async def finish(self, grace_s: float) -> bool:
        """Wait for all; what is late then is cancelled and not answered, and False comes back."""
        tasks = [work.task for work in self.at_work.values()]
        _, late = await asyncio.wait(tasks, timeout=grace_s) if tasks else (None, ())
        for task in late:
            task.cancel()
        return not late

    async def _guarded(self, sent: Sent, delivery: Delivery, before: "list[asyncio.Task[bool]]", suspect: bool) -> bool:
        try:
            return await self._serve(sent, delivery, before, suspect)
        except Exception:  # It would end all that is at work.
            log.exception("session %s frame %d: a bug", sent.request.session_id, sent.request.seq)
            return True

    async def _serve(self, sent: Sent, delivery: Delivery, before: "list[asyncio.Task[bool]]", suspect: bool) -> bool:
        """False where the frame has not ended, and is to be read again."""

        async def turn() -> None:
            # The same frame, asked for once more: its first reading answers it, the second finds that answer.
            if before:
                await asyncio.wait(before)

        request = sent.request
        if sent.budget_ms is not None:
            request = replace(request, deadline=self.registry.deadline(delivery.entry, sent.budget_ms))
        if delivery.reply_id in self._withdrawn:
            return await self._settle(delivery)
        fields = {"request_id": sent.origin.request_id or None, "session_id": request.session_id, "seq": request.seq}
        try:
            with logs.bound_context(**fields), tracing.continued(sent.origin.traceparent):
                answer: FrameResult | KineposeError | Wanted = await self._allowed(sent, request, turn, suspect)
        except KineposeError as error:
            if isinstance(error, (StoreUnavailable, DeviceLost)) and not isinstance(error, NotReplicated):
                log.info("session %s frame %d is left for later: %s", request.session_id, request.seq, error)
                return False
            answer = error
        except asyncio.CancelledError:
            if delivery.reply_id not in self._withdrawn:
                raise
            return await self._settle(delivery)
        return delivery.settled or await self._settle(delivery, answer)

    async def _allowed(self, sent: Sent, request: FrameRequest, turn: Turn, suspect: bool) -> FrameResult | Wanted:
        """As `_answered`, and not during a quarantine."""
        while not (suspect or self._quarantine_over.is_set()):
            await self._quarantine_over.wait()
        me = asyncio.current_task()
        assert me is not None
        self._computed.add(me)
        try:
            return await self._answered(sent, request, turn, suspect)
        finally:
            self._computed.discard(me)

    async def _answered(self, sent: Sent, request: FrameRequest, turn: Turn, suspect: bool) -> FrameResult | Wanted:
        if sent.part is None:
            return await self.processor.process(request, turn)
        if suspect:  # Sent in parts it would be given to workers anew with each of them.
            return PIXELS
        frame = await self.clips.frame(request, sent.part)
        if isinstance(frame, Wanted):
            return frame
        return await self.processor.process(replace(request, picture=frame), turn)

    async def _settle(self, delivery: Delivery, answer: FrameResult | KineposeError | Wanted | None = None) -> bool:
        """Take a frame out, with its answer if there is one; False where Redis cannot be told."""
        try:
            await self._answer(delivery, answer)
        except KineposeError as error:
            log.info("entry %s is left for later: %s", delivery.entry, error)
            return False
        return True

    async def _answer(self, delivery: Delivery, answer: FrameResult | KineposeError | Wanted | None) -> None:
        """That of an error does not wait for replicas."""
        blob = b"" if answer is None else encode_answer(delivery.reply_id, answer)
        channel, durably = delivery.channel if blob else b"", isinstance(answer, FrameResult)
        try:
            await self.group.answer(delivery.stream, delivery.entry, channel, blob, durably=durably)
        except NotReplicated as error:
            await self._answer(delivery, error)


@dataclass
class FrameReader:
    """What comes in from the streams of a group, as long as the executor lives."""

    group: ConsumerGroup
    registry: WorkerRegistry
    frames: FrameTasks
    executor: FrameExecutor
    block_ms: int

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, read; after every failure, look for what was left here."""
        self.frames.left |= self.group.streams
        while self.executor.live() and not stopping.is_set():
            try:
                if not self.frames.left.isdisjoint(self.group.streams):
                    self.frames.left -= self.group.streams  # Frames may be left while this looks.
                    await self.group.open()
                    fresh, taken_over = await self.group.unfinished(self.frames.at_work)
                    self.frames.begin(fresh)
                    self.frames.suspects |= {delivery_of(sent.request).place: sent for sent in taken_over}
                await self._read()
            except KineposeError as error:
                log.debug("nothing can be read: %s", error)
                self.frames.left |= self.group.streams
                await asyncio.sleep(AGAIN_S)
            raise_if_cancelled()

    async def _read(self) -> None:
        shards, lines = self.group.own(self.registry.own_shards), self.frames.open_lines()
        if not shards or not lines:
            await self.frames.wait_for_end(BLOCK_MS / 1000)
            return
        # Where one line is full, the other must not keep us from reading it again when it has room.
        block_ms = self.block_ms if len(lines) == len(Priority) else None
        sent = await self.group.read(shards, lines, block_ms)
        self.frames.begin(sent)
        if sent:
            # Writing the next read would keep the threads that decode these from beginning.
            await asyncio.sleep(HEAD_START_S)
        elif block_ms is None:
            await self.frames.wait_for_end(BLOCK_MS / 1000)


@dataclass
class WorkerControl:
    """What goes on beside the frames: this worker says that it lives while it is ready, and hears what all are told."""

    client: RedisClient
    channel: str
    registry: WorkerRegistry
    executor: FrameExecutor
    frames: FrameTasks
    _members_changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def beat(self) -> None:
        """Beat until cancelled. Raises ShardMismatch."""
        while True:
            if await self.executor.ready():
                with suppress(KineposeError):
                    await self.registry.beat()
            self._members_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.registry.beat_s):
                    await self._members_changed.wait()
            raise_if_cancelled()

    async def hear_orders(self) -> None:
        """Hear until cancelled, over every loss of connection."""
        await Subscriber(self.client, [self.channel], self._obey).run()

    def _obey(self, order: bytes) -> None:
        if order == b"M":
            self._members_changed.set()
        else:
            self.frames.withdraw(order[1:])


class StreamConsumer:
    """One worker between its streams and its model. Belongs to one event loop.

    Args:
        client: of the deployment's Redis.
        name: this worker's, like no other's.
        settings: limits and names.
        executor: the model.
        processor: brings frames to their ends by it.
        metrics: counts what was taken over.

    Attributes:
        registry: which workers it knows to live, and the shards that it reads.
        frames: what is at work.
    """

    def __init__(
        self,
        client: RedisClient,
        name: str,
        settings: Settings,
        executor: FrameExecutor,
        processor: FrameProcessor,
        metrics: Metrics,
    ) -> None:
        keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        scripts = queue_scripts(client, replicas=settings.redis_wait_replicas, wait_ms=settings.redis_wait_ms)
        self.registry = WorkerRegistry(scripts, keyspace, settings.worker_lease_s, name)
        group = ConsumerGroup(scripts, keyspace, name, settings.worker_lease_s)
        groups, block_ms = [group], BLOCK_MS
        if isinstance(client, ClusterClient):
            shards = range(keyspace.shards)
            groups = [ConsumerGroup(scripts, keyspace, name, settings.worker_lease_s, [shard]) for shard in shards]
            block_ms = min(BLOCK_IN_CLUSTER_MS, round(500 * settings.redis_timeout_s))
        self._tasks = asyncio.TaskGroup()
        self._clips = ClipFiles(settings)
        self.frames = FrameTasks(self._tasks, processor, group, self.registry, self._clips, settings.worker_frames)
        parts = (self.registry, self.frames, executor)
        self._readers = [FrameReader(group, *parts, block_ms) for group in groups]
        self._take_overs = [TakeOver(group, *parts, metrics) for group in groups]
        self._control = WorkerControl(client, keyspace.orders(), self.registry, executor, self.frames)
        self._grace_s = settings.drain_grace_s
        self._stopping = asyncio.Event()

    async def run(self) -> bool:
        """Take frames until `stop`, or until the device is lost; then leave the list and finish what was taken.

        Returns False where the grace was too short: what was left then is not answered, another worker takes it over.
        The same happens to all where this is cancelled. Raises ShardMismatch.
        """
        try:
            async with self._tasks:
                parts = (self._control.beat, self._control.hear_orders, self._clips.expire)
                beside = [self._tasks.create_task(part()) for part in parts]
                taking_over = [self._tasks.create_task(one.run(self._stopping)) for one in self._take_overs]
                await asyncio.wait([self._tasks.create_task(reader.run(self._stopping)) for reader in self._readers])
                self._stopping.set()  # Readers end where the device is lost, too.
                await asyncio.wait(taking_over)
                for task in beside:
                    task.cancel()
                with suppress(KineposeError):
                    await self.registry.leave()
                return await self.frames.finish(self._grace_s)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            await asyncio.to_thread(self._clips.close)

    def stop(self) -> None:
        """Take no more. What the read that is under way brings is not lost."""
        self._stopping.set()
