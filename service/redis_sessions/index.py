"""How many sessions there are, over all processes that share a Redis and a prefix.

Frames never touch the index. Each entry has a time before which its session cannot have expired; only when that
has come is the session looked at: gone, it is taken out; alive, it gets a new time. So a session costs one look
a TTL, and after a sweep the count is that of the sessions alive.
"""

from redis.asyncio.client import Pipeline

from service.errors import TooManySessions
from service.metrics import Metrics
from service.redis_sessions.client import Scripts
from service.redis_sessions.keys import index_key, session_keys

AT_ONCE = 256
"""Entries looked at in one round trip."""


class SessionIndex:
    """The sorted set of all sessions, as one process uses it.

    Args:
        scripts: of the client that the sessions are kept with.
        prefix: of all keys; a deployment of its own.
        max_sessions: cap on sessions of all processes together.
        metrics: told how many there are, and how many were found expired.
    """

    def __init__(self, scripts: Scripts, prefix: str, max_sessions: int, metrics: Metrics) -> None:
        self._scripts = scripts
        self._prefix = prefix
        self._key = (index_key(prefix),)
        self._max_sessions = max_sessions
        self._metrics = metrics

    async def admit(self, session_id: str, ttl_ms: int) -> None:
        """Enter a session that is about to begin. Raises TooManySessions."""
        reply = await self._scripts.run("admit", self._key, session_id, ttl_ms, self._max_sessions)
        if reply[0] == b"full":
            raise TooManySessions(f"the server holds {reply[1]} sessions, its limit", retry_after_ms=1 + int(reply[2]))
        self._metrics.sessions_active.set(reply[1])

    async def leave(self, session_id: str) -> None:
        """Take a session out that has ended, or did not begin."""
        with self._scripts.told():
            async with self._pipeline() as pipeline:
                pipeline.zrem(self._key[0], session_id)
                pipeline.zcard(self._key[0])
                _, count = await pipeline.execute()
        self._metrics.sessions_active.set(count)

    async def sweep(self) -> int:
        """Take out what has expired; how many sessions are left."""
        while True:
            count, *due = await self._scripts.run("due", self._key, AT_ONCE)
            if not due:
                self._metrics.sessions_active.set(count)
                return int(count)
            ids, times = due[::2], due[1::2]
            left = await self._looked_at([session_id.decode() for session_id in ids])
            entries = (part for entry in zip(ids, times, left, strict=True) for part in entry)
            ended, _ = await self._scripts.run("settle", self._key, *entries)
            self._metrics.sessions_closed.labels("expired").inc(ended)

    async def _looked_at(self, session_ids: list[str]) -> list[int | str]:
        """Milliseconds that each session lives at least; an empty text where it is gone."""
        with self._scripts.told():
            async with self._pipeline() as pipeline:
                for session_id in session_ids:
                    key = session_keys(self._prefix, session_id).session
                    pipeline.pttl(key)
                    pipeline.hget(key, "ttl_ms")
                found = await pipeline.execute()
        # A held session may be released now, and has its TTL then.
        return [
            max(1, min(left_ms, int(ttl_ms))) if ttl_ms is not None else ""
            for left_ms, ttl_ms in zip(found[::2], found[1::2], strict=True)
        ]

    def _pipeline(self) -> Pipeline:
        return self._scripts.client.pipeline(transaction=False)
