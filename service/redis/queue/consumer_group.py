"""A worker's side of the streams: what it reads, and what it takes over."""

import logging
import math
from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.pipeline.request import Priority
from service.redis.client import Scripts
from service.redis.queue.codec import Sent, decode_request
from service.redis.sessions.codec import RecordError
from service.redis.sessions.keys import Keyspace
from service.redis.sessions.store import GROUP
from service.sessions.store import Place

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Frames of one stream taken over in one go."""
MOST_DELIVERIES = 5
"""A frame that so many workers died with is not given to another one; some died of something else."""

STUCK_LEASES = 10
"""A worker that has had a frame for so many leases will not answer it."""


class Left(NamedTuple):
    """A frame that some worker left. `deliveries`: how often it was given to one."""

    stream: str
    entry: bytes
    deliveries: int


Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class ConsumerGroup:
    """The streams of all shards, as one worker reads them. Every method raises StoreUnavailable.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        worker: this worker's name, its consumer in every group.
        lease_s: see WorkerRegistry; frames are given up for lost no sooner.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, worker: str, lease_s: float) -> None:
        self._scripts = scripts
        self._client: Redis = scripts.client
        self._keyspace = keyspace
        self._worker = worker
        self._lease_ms = math.ceil(1000 * lease_s)

    async def open(self) -> None:
        """Make the groups that are not there, which a Redis that lost its data needs again; strike out dead workers."""
        streams = list(self._streams(range(self._keyspace.shards), Priority))
        with self._scripts.translate_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in streams:
                    pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
                for reply in await pipeline.execute(raise_on_error=False):
                    if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                        raise reply
        for stream in streams:
            await self._scripts.run("tidy", (stream,), GROUP, STUCK_LEASES * self._lease_ms)

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

    async def unfinished(self, at_work: Container[Place]) -> list[Sent]:
        """Frames that were given to this worker, and that did not reach it, or which it left when Redis was away.

        Read by XRANGE: XREADGROUP and XCLAIM would count that as given anew.
        """
        streams = list(self._streams(range(self._keyspace.shards), Priority))
        found = []
        for stream, entry in await self._pending(streams, consumername=self._worker):
            if (stream, entry["message_id"]) not in at_work:
                found += await self._found(stream, entry["message_id"])
        return found

    async def _found(self, stream: str, entry: bytes) -> list[Sent]:
        with self._scripts.translate_errors():
            entries: Any = await self._client.xrange(stream, entry, entry)
        return await self._decoded(stream, entries or [(entry, None)])

    async def left(self, shards: Sequence[int], alive: Sequence[str]) -> list[Left]:
        """Frames that were given to a worker which is dead, or stuck.

        Not XAUTOCLAIM: that would take frames from workers that live and are only slow, and count them as given anew.

        Args:
            shards: whose streams are looked through.
            alive: names of the workers that live.
        """
        found = []
        for stream, entry in await self._pending(list(self._streams(shards, Priority)), idle=self._lease_ms):
            owner = entry["consumer"].decode()
            stuck = entry["time_since_delivered"] > STUCK_LEASES * self._lease_ms
            if owner != self._worker and (owner not in alive or stuck):
                found.append(Left(stream, entry["message_id"], entry["times_delivered"]))
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
        with self._scripts.translate_errors():
            entries: Any = await self._client.xclaim(left.stream, GROUP, self._worker, self._lease_ms, [left.entry])
        return await self._decoded(left.stream, entries)

    async def answer(self, stream: str, entry: bytes, channel: bytes = b"", answer: bytes = b"") -> None:
        """Take a frame out; tell its answer where there is one."""
        await self._scripts.run("answer", (stream,), GROUP, entry, channel, answer)

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
