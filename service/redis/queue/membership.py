"""Which workers live, and which shards are whose.

A worker is alive as long as it is heard of within the lease. Every worker reckons from the same list which shards it
reads, so nobody hands out anything. Two that see different lists for a moment may read the same shard: its consumer
group gives each frame to one of them.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from hashlib import blake2b

from service.redis.client import Scripts
from service.redis.sessions.keys import Keyspace

log = logging.getLogger(__name__)

BEATS_A_LEASE = 3


class ShardMismatch(RuntimeError):
    """Processes of one deployment were started with different numbers of shards."""


class WorkerRegistry:
    """The list of live workers, as one process knows it.

    Args:
        scripts: of the package.
        keyspace: of the deployment.
        lease_s: who is not heard of for so long is not on it.
        worker: the name of the worker that this process is, or None where it only looks.

    Attributes:
        workers: names, sorted.
        own_shards: those that this worker reads.
        ahead_s: by how much Redis's clock (Unix, seconds) is ahead of the event loop's.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, lease_s: float, worker: str | None = None) -> None:
        self._scripts = scripts
        self._keyspace = keyspace
        self._lease_s = lease_s
        self._worker = worker
        self._seen_at = -math.inf
        self.workers: tuple[str, ...] = ()
        self.own_shards: tuple[int, ...] = ()
        self.ahead_s = 0.0

    @property
    def beat_s(self) -> float:
        """How often to call `beat`."""
        return self._lease_s / BEATS_A_LEASE

    async def beat(self) -> None:
        """Say that this worker lives, and hear who else does. Raises StoreUnavailable, ShardMismatch."""
        ours = self._keyspace.shards
        asked = (self._worker or "", math.ceil(1000 * self._lease_s), ours, self._keyspace.orders())
        keys = (self._keyspace.workers(), self._keyspace.shape())
        shards, now_ms, *workers = await self._scripts.run("beat", keys, *asked)
        if int(shards) != ours:
            raise ShardMismatch(
                f"this process has KINEPOSE_REDIS_SHARDS={ours}, the deployment {int(shards)}: make them equal"
            )
        now = asyncio.get_running_loop().time()
        self._seen_at = now
        self.ahead_s = int(now_ms) / 1000 - now
        self._take(tuple(sorted(name.decode() for name in workers)))

    def _take(self, workers: tuple[str, ...]) -> None:
        if workers != self.workers:
            log.info("workers: %d alive (%s)", len(workers), ", ".join(workers) or "none")
            owners = shard_owners(self._keyspace.shards, workers)
            self.own_shards = tuple(shard for shard, owner in enumerate(owners) if owner == self._worker)
        self.workers = workers

    def alive(self) -> int:
        """How many workers there are; 0 where that has not been heard for a lease."""
        heard = asyncio.get_running_loop().time() - self._seen_at < self._lease_s
        return len(self.workers) if heard else 0

    async def leave(self) -> None:
        """Be on the list no more. Raises StoreUnavailable."""
        with self._scripts.translate_errors():
            async with self._scripts.client.pipeline(transaction=False) as pipeline:
                pipeline.zrem(self._keyspace.workers(), self._worker or "")
                pipeline.publish(self._keyspace.orders(), b"M")
                await pipeline.execute()


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
