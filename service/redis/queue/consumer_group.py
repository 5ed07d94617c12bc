"""The group of workers: which of them live and which shards are whose, and a worker's side of the streams.

Nobody hands out shards: every worker reckons from the same list which ones it reads. Two that see different lists for a
moment may read the same shard; its consumer group gives each frame to one of them.

Redis's clock may jump. So nobody is taken for dead, and nothing for left, because of what Redis's clock says alone:
each process measures by its own for how long a worker's beat, or a frame in its hands, has not changed.
"""

import asyncio
import logging
import math
from collections.abc import Container, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from service.pipeline.request import Priority
from service.redis.client import RedisClient, Scripts, lua
from service.redis.codec import RecordError, Sent, decode_request
from service.redis.keys import GROUP, Keyspace
from service.sessions.store import Place

log = logging.getLogger(__name__)

BEATS_A_LEASE = 3
LONG_OVER_S = 2.0
"""Nobody waits for so long past a deadline: a frame that seems to be so late has seen Redis's clock jump."""

AT_ONCE = 64
"""Frames of one stream looked at in one go."""
MOST_DELIVERIES = 2
"""A frame that so many workers ended with is not given to another one."""
STUCK_LEASES = 10
"""A worker that has had a frame for so many leases will not answer it."""


def queue_scripts(client: RedisClient, *, replicas: int = 0, wait_ms: int = 500) -> Scripts:
    """The Lua scripts of this package, for one client. See Scripts."""
    names = ("submit", "answer", "waits", "beat", "take_over", "tidy")
    return Scripts(client, {name: lua(__package__, name) for name in names}, replicas=replicas, wait_ms=wait_ms)


# -- who lives --------------------------------------------------------------------------------------------


class ShardMismatch(RuntimeError):
    """Processes of one deployment were started with different numbers of shards."""


class Beat(NamedTuple):
    """A worker's last beat: what Redis noted with it, and when this process saw it first (event-loop time)."""

    mark: bytes
    seen_at: float


class WorkerRegistry:
    """The list of live workers, as one process knows it.

    A worker lives until its beat has not changed for a lease. A process that could not look for so long gives all
    another lease, since nobody else may have reached Redis either.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        lease_s: who is not heard of for so long is not on it.
        worker: the name of the worker that this process is, or None where it only looks.

    Attributes:
        workers: names, sorted.
        own_shards: those that this worker reads.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, lease_s: float, worker: str | None = None) -> None:
        self._scripts = scripts
        self._keyspace = keyspace
        self._lease_s = lease_s
        self._worker = worker
        self._looked_at = -math.inf
        self._beats: dict[bytes, Beat] = {}
        self._ahead_s = 0.0
        self.workers: tuple[str, ...] = ()
        self.own_shards: tuple[int, ...] = ()

    @property
    def beat_s(self) -> float:
        """How often to call `beat`."""
        return self._lease_s / BEATS_A_LEASE

    async def beat(self) -> None:
        """Say that this worker lives, and hear who else does. Raises StoreUnavailable, ShardMismatch."""
        ours = self._keyspace.shards
        dead = [part for name, beat in self._beats.items() if self._silent(beat) for part in (name, beat.mark)]
        keys = (self._keyspace.workers(), self._keyspace.shape())
        shards, now_ms, *listed = await self._scripts.run(
            "beat", keys, self._worker or "", ours, self._keyspace.orders(), *dead
        )
        if int(shards) != ours:
            raise ShardMismatch(
                f"this process has KINEPOSE_REDIS_SHARDS={ours}, the deployment {int(shards)}: make them equal"
            )
        self._take(listed)
        self._ahead_s = int(now_ms) / 1000 - self._looked_at

    def _take(self, listed: list[bytes]) -> None:
        """A reply's list: name, mark, name, mark, ..."""
        now = asyncio.get_running_loop().time()
        known = self._beats if self._heard() else {}
        seen = {name: Beat(mark, now) for name, mark in zip(listed[::2], listed[1::2], strict=True)}
        self._beats = {
            name: known[name] if name in known and known[name].mark == beat.mark else beat
            for name, beat in seen.items()
        }
        self._looked_at = now
        workers = tuple(sorted(name.decode() for name, beat in self._beats.items() if not self._silent(beat)))
        if workers != self.workers:
            log.info("workers: %d alive (%s)", len(workers), ", ".join(workers) or "none")
            owners = shard_owners(self._keyspace.shards, workers)
            self.own_shards = tuple(shard for shard, owner in enumerate(owners) if owner == self._worker)
        self.workers = workers

    def _silent(self, beat: Beat) -> bool:
        return self._looked_at - beat.seen_at >= self._lease_s

    def _heard(self) -> bool:
        return asyncio.get_running_loop().time() - self._looked_at < self._lease_s

    def deadline(self, entry: bytes, budget_ms: int) -> float:
        """Event-loop time at which a frame's time is over; one that seems long over has its whole time from now on.

        Args:
            entry: id in the stream; it says when it was made, by Redis's clock.
            budget_ms: milliseconds from then.
        """
        now = asyncio.get_running_loop().time()
        made_at = int(entry.partition(b"-")[0]) / 1000 - self._ahead_s
        deadline = min(now, made_at) + budget_ms / 1000
        return deadline if deadline > now - LONG_OVER_S else now + budget_ms / 1000

    def alive(self) -> int:
        """How many workers there are; 0 where that has not been heard for a lease."""
        return len(self.workers) if self._heard() else 0

    async def leave(self) -> None:
        """Be on the list no more. Raises StoreUnavailable."""
        with self._scripts.translate_errors():
            await self._scripts.client.zrem(self._keyspace.workers(), self._worker or "")
            await self._scripts.client.publish(self._keyspace.orders(), b"M")


def shard_owners(shards: int, workers: Sequence[str]) -> list[str]:
    """Each shard's owner, by rendezvous hashing; nobody gets more than his share, rounded up.

    When a worker comes or goes, few shards move beside those that must: sessions stay where their state is hot.
    """
    if not workers:
        return []
    most = math.ceil(shards / len(workers))
    count = dict.fromkeys(workers, 0)
    owners = []
    for shard in range(shards):
        open_ones = [worker for worker in workers if count[worker] < most]
        owner = max(open_ones, key=lambda worker: _weight(shard, worker))
        count[owner] += 1
        owners.append(owner)
    return owners


def _weight(shard: int, worker: str) -> bytes:
    return blake2b(f"{shard}:{worker}".encode(), digest_size=8).digest()


# -- what they read ---------------------------------------------------------------------------------------


class Left(NamedTuple):
    """A frame that is in some worker's hands. `deliveries`: how often it was given to one."""

    stream: str
    entry: bytes
    owner: bytes
    deliveries: int


Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class ConsumerGroup:
    """The streams of some shards, as one worker reads them. Every method raises StoreUnavailable.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        worker: this worker's name, its consumer in every group.
        lease_s: see WorkerRegistry; frames are given up for lost no sooner.
        shards: all of them where that is left out. In a cluster one: a command has keys of one slot only.

    Attributes:
        streams: the names of their streams.
    """

    def __init__(
        self, scripts: Scripts, keyspace: Keyspace, worker: str, lease_s: float, shards: Sequence[int] | None = None
    ) -> None:
        self._scripts = scripts
        self._client: RedisClient = scripts.client
        self._keyspace = keyspace
        self._worker = worker
        self._lease_s = lease_s
        self._shards = range(keyspace.shards) if shards is None else shards
        self.streams = frozenset(self._streams(self._shards, Priority))
        self._seen_at: dict[Left, float] = {}
        self._looked_at = -math.inf

    async def open(self) -> None:
        """Make the groups that are not there, which a Redis that lost its data needs again; strike out dead workers."""
        streams = sorted(self.streams)
        with self._scripts.translate_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in streams:
                    pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
                for reply in await pipeline.execute(raise_on_error=False):
                    if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                        raise reply
        for stream in streams:
            await self._scripts.run("tidy", (stream,), GROUP, math.ceil(1000 * STUCK_LEASES * self._lease_s))

    def own(self, shards: Sequence[int]) -> list[int]:
        """Those of these shards that are among its own."""
        return [shard for shard in shards if shard in self._shards]

    async def read(self, shards: Sequence[int], lines: Iterable[Priority], block_ms: int | None) -> list[Sent]:
        """New frames, at most one a stream; waits for block_ms where there are none, not at all for None."""
        # A dict of plain texts, which redis-py's stub does not take for what it wants.
        wanted: Any = dict.fromkeys(self._streams(shards, lines), ">")
        with self._scripts.translate_errors():
            try:
                reply: Any = await self._client.xreadgroup(GROUP, self._worker, wanted, 1, block_ms)
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                reply = None
                await self.open()
        return [sent for name, entries in reply or () for sent in await self._decoded(name.decode(), entries)]

    async def unfinished(self, at_work: Container[Place]) -> tuple[list[Sent], list[Sent]]:
        """Frames that were given to this worker, and that did not reach it, or which it left when Redis was away.

        Those that were given to it first, and those that it took over. Read by XRANGE: XREADGROUP and XCLAIM would
        count that as given anew.
        """
        streams = sorted(self.streams)
        fresh: list[Sent] = []
        taken_over: list[Sent] = []
        for stream, entry in await self._pending(streams, consumername=self._worker):
            if (stream, entry["message_id"]) not in at_work:
                found = fresh if entry["times_delivered"] < MOST_DELIVERIES else taken_over
                found += await self._found(stream, entry["message_id"])
        return fresh, taken_over

    async def _found(self, stream: str, entry: bytes) -> list[Sent]:
        with self._scripts.translate_errors():
            entries: Any = await self._client.xrange(stream, entry, entry)
        return await self._decoded(stream, entries or [(entry, None)])

    async def left(self, shards: Sequence[int], alive: Sequence[str]) -> list[Left]:
        """Frames that were given to a worker which is dead, or stuck. To be called once a beat.

        Not XAUTOCLAIM: that would take frames from workers that live and are only slow, and count them as given anew.

        Args:
            shards: whose streams are looked through.
            alive: names of the workers that live.
        """
        now = asyncio.get_running_loop().time()
        # Who could not look for a lease knows nothing of those who had frames then: perhaps nobody reached Redis.
        known = self._seen_at if now - self._looked_at < self._lease_s else {}
        seen_at: dict[Left, float] = {}
        found = []
        for stream, entry in await self._pending(list(self._streams(shards, Priority))):
            left = Left(stream, entry["message_id"], entry["consumer"], entry["times_delivered"])
            owner = left.owner.decode()
            if owner == self._worker:
                continue
            seen_at[left] = known.get(left, now)
            for_s = now - seen_at[left]
            by_redis_s = entry["time_since_delivered"] / 1000
            # A worker that just came may not be on the list yet, one that drains is not any more: both have a lease.
            given_up = owner not in alive and max(for_s, by_redis_s) >= self._lease_s
            if given_up or for_s >= STUCK_LEASES * self._lease_s:
                found.append(left)
        self._seen_at, self._looked_at = seen_at, now
        return found

    async def _pending(self, streams: Sequence[str], **which: Any) -> list[tuple[str, dict[str, Any]]]:
        """Frames that were given to workers, the oldest of each stream."""
        with self._scripts.translate_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in streams:
                    pipeline.xpending_range(stream, GROUP, "-", "+", AT_ONCE, **which)
                replies = await pipeline.execute(raise_on_error=False)
        answered = zip(streams, replies, strict=True)  # NOGROUP is an exception: reading sees to it.
        return [(stream, entry) for stream, reply in answered if not isinstance(reply, Exception) for entry in reply]

    async def take_over(self, left: Left) -> list[Sent]:
        """The frame, now this worker's; nothing where somebody else was faster, or it was answered or withdrawn."""
        claim = (GROUP, left.entry, left.owner, left.deliveries, self._worker)
        [taken] = await self._scripts.run("take_over", (left.stream,), *claim)
        return await self._found(left.stream, left.entry) if taken else []

    async def answer(
        self, stream: str, entry: bytes, channel: bytes = b"", answer: bytes = b"", *, durably: bool = False
    ) -> None:
        """Take a frame out; tell its answer where there is one.

        Args:
            durably: where replicas are waited for, they have this, and so all that was committed before it, before the
                answer is heard. Raises NotReplicated where they have it not.
        """
        if not durably or not self._scripts.replicas:
            await self._scripts.run("answer", (stream,), GROUP, entry, channel, answer)
            return
        await self._scripts.run("answer", (stream,), GROUP, entry, b"", b"", durably=True)
        await self._scripts.publish(channel.decode(), answer)

    async def _decoded(self, stream: str, entries: Entries) -> list[Sent]:
        found = []
        for entry, fields in entries:
            if not fields:  # withdrawn
                await self.answer(stream, entry)
                continue
            try:
                found.append(decode_request(stream, entry, fields))
            except RecordError:
                # Its frontend asks again, and at last tells its client; nobody here could.
                log.exception("a frame that cannot be read")
                await self.answer(stream, entry)
        return found

    def _streams(self, shards: Iterable[int], lines: Iterable[Priority]) -> Iterable[str]:
        return (self._keyspace.stream(shard, line) for line in lines for shard in shards)
