"""A worker's side of the streams: what it reads, and what it takes over."""

import logging
import math
from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.redis_client import Scripts
from service.redis_queue.codec import Sent, decode_job
from service.redis_sessions.codec import RecordError
from service.redis_sessions.keys import LINES, Keyspace, Line
from service.redis_sessions.store import GROUP
from service.sessions import Place

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Frames of one stream taken over in one go."""
MOST_DELIVERIES = 3
"""A frame that ended so many workers is not given to another one."""

STUCK_LEASES = 10
"""A worker that has had a frame for so many leases will not answer it."""


class Left(NamedTuple):
    """A frame that some worker left. `deliveries`: how often it was given to one."""

    stream: str
    entry: bytes
    deliveries: int


Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class Inbox:
    """The streams of all shards, as one worker reads them. Every method raises StoreUnavailable.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        worker: this worker's name, its consumer in every group.
        lease_s: see Roster; frames are given up for lost no sooner.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, worker: str, lease_s: float) -> None:
        self._scripts = scripts
        self._client: Redis = scripts.client
        self._keyspace = keyspace
        self._worker = worker
        self._lease_ms = math.ceil(1000 * lease_s)

    async def open(self) -> None:
        """Make the groups that are not there. A Redis that lost its data needs that again."""
        with self._scripts.told():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in self._streams(range(self._keyspace.shards), LINES):
                    pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
                for reply in await pipeline.execute(raise_on_error=False):
                    if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                        raise reply

    async def read(self, shards: Sequence[int], lines: Iterable[Line], block_ms: int | None) -> list[Sent]:
        """New frames, at most one a stream; waits for block_ms where there are none, not at all for None."""
        streams = dict.fromkeys(self._streams(shards, lines), ">")
        return await self._read(streams, count=1, block_ms=block_ms)

    async def unfinished(self, shards: Sequence[int]) -> list[Sent]:
        """Frames that were given to this worker and are not answered: also those whose way to it was cut."""
        return await self._read(dict.fromkeys(self._streams(shards, LINES), "0"), count=None, block_ms=None)

    async def _read(self, streams: dict[str, str], count: int | None, block_ms: int | None) -> list[Sent]:
        with self._scripts.told():
            try:
                wanted: Any = streams  # a dict of plain texts, which the stub does not take for what it wants
                reply: Any = await self._client.xreadgroup(GROUP, self._worker, wanted, count, block_ms)
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self.open()
                return []
        return [sent for name, entries in reply or () for sent in await self._decoded(name.decode(), entries)]

    async def left(self, shards: Sequence[int], alive: Sequence[str], at_work: Container[Place]) -> list[Left]:
        """Frames that were given to a worker which is dead, or stuck; or to this one, and which it does not know.

        Not XAUTOCLAIM: that would take frames from workers that live and are only slow, and count them as given anew.

        Args:
            shards: whose streams are looked through.
            alive: names of the workers that live.
            at_work: frames that this worker knows.
        """
        streams = list(self._streams(shards, LINES))
        found = []
        for stream, reply in zip(streams, await self._idle(streams), strict=True):
            for entry in reply:
                owner = entry["consumer"].decode()
                stuck = entry["time_since_delivered"] > STUCK_LEASES * self._lease_ms
                if (stream, entry["message_id"]) not in at_work and (
                    owner == self._worker or owner not in alive or stuck
                ):
                    found.append(Left(stream, entry["message_id"], entry["times_delivered"]))
        return found

    async def _idle(self, streams: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Entries of each stream that were given to a worker longer than a lease ago."""
        with self._scripts.told():
            async with self._client.pipeline(transaction=False) as pipeline:
                for stream in streams:
                    pipeline.xpending_range(stream, GROUP, "-", "+", AT_ONCE, idle=self._lease_ms)
                replies = await pipeline.execute(raise_on_error=False)
        # NOGROUP: reading sees to it.
        return [[] if isinstance(reply, Exception) else reply for reply in replies]

    async def take_over(self, left: Left) -> list[Sent]:
        """The frame, now this worker's; nothing where somebody else was faster, or it was answered or withdrawn."""
        with self._scripts.told():
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
                found.append(decode_job(stream, entry, fields))
            except RecordError:
                # Its frontend asks again, and at last tells its client; nobody here could.
                log.exception("a frame that cannot be read")
                await self.answer(stream, entry)
        return found

    def _streams(self, shards: Iterable[int], lines: Iterable[Line]) -> Iterable[str]:
        return (self._keyspace.stream(shard, line) for line in lines for shard in shards)
