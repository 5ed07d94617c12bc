"""Every key in Redis. What stands in braces decides the slot in a cluster.

Sessions are spread over shards by a hash of their id. All keys of a shard, its sessions and the streams of their
frames, share one hash tag: so one Lua function commits a state and acknowledges the frame that it came from.
"""

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from service.pipeline.request import Priority

GROUP = "workers"
"""The consumer group of every stream of frames."""


class SessionKeys(NamedTuple):
    """The keys of one session.

    Attributes:
        session: hash; everything that is known of it. Its expiry is the session's own.
        mark: string, `expired` or `closed`; outlives the session and tells how it ended.
        state: string; the state of its last frame. Ends with the session.
    """

    session: str
    mark: str
    state: str


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one deployment.

    Attributes:
        prefix: before every key.
        shards: how many there are; the same in all processes of the deployment.
    """

    prefix: str
    shards: int

    def shard_of(self, session_id: str) -> int:
        """In [0, shards)."""
        return crc32(session_id.encode()) % self.shards

    def session(self, session_id: str) -> SessionKeys:
        """Where a session is kept. The id holds no braces (`pipeline.sessions.checked_session_id`)."""
        base = f"{self._shard(self.shard_of(session_id))}:session:{session_id}"
        return SessionKeys(base, f"{base}:mark", f"{base}:state")

    def stream(self, shard: int, priority: Priority) -> str:
        """Stream of the frames of a shard that wait or are computed: live ones, or those of clips."""
        return f"{self._shard(shard)}:frames:{priority}"

    def index(self, owner: str | None = None) -> str:
        """Sorted set of all (or one owner's) session ids, each with a time (Unix ms) until which it lives at least."""
        return f"{self.prefix}:{{index}}" if owner is None else f"{self.prefix}:{{index}}:{owner}"

    def owners(self) -> str:
        """Hash: whose each session is that has an owner. In the slot of the indexes."""
        return f"{self.prefix}:owners:{{index}}"

    def clip(self, clip_id: str) -> str:
        """String: base URL of the frontend that keeps this clip job. The id holds no braces (`places.CLIP_ID`)."""
        return f"{self.prefix}:clip:{clip_id}"

    def workers(self) -> str:
        """Sorted set of workers, each with the time (Unix ms, of a clock that may jump) of its last beat."""
        return f"{self.prefix}:{{workers}}"

    def shape(self) -> str:
        """String: with how many shards this deployment began."""
        return f"{self.prefix}:{{workers}}:shards"

    def answers(self, frontend: str) -> str:
        """Channel on which a frontend hears its frames' answers."""
        return f"{self.prefix}:answers:{frontend}"

    def sharded_answers(self, frontend: str, shard: int) -> str:
        """The same in a cluster: a sharded channel, in the shard's slot. By its brace scripts see that it is one."""
        return f"{self._shard(shard)}:answers:{frontend}"

    def orders(self) -> str:
        """Channel on which workers hear what all of them must know: withdrawn frames, and who came and went."""
        return f"{self.prefix}:orders"

    def _shard(self, shard: int) -> str:
        return f"{self.prefix}:{{{shard}}}"
