"""How many sessions there are, over all processes that share a Redis and a prefix.

Frames never touch the index. Each entry has a time before which its session cannot have expired; only when that
has come is the session looked at: gone, it is taken out, of its owner's index, too; alive, it gets a new time. So a
session costs one look a TTL, and after a sweep the counts are those of the sessions alive.
"""

from service.errors import TooManySessions
from service.observability.metrics import Metrics
from service.redis.client import Scripts
from service.redis.keys import Keyspace

AT_ONCE = 256
"""Entries looked at in one round trip."""


class SessionIndex:
    """The sorted sets of all sessions and of each owner's, as one process uses them.

    Args:
        scripts: of the client that the sessions are kept with.
        keyspace: of the deployment.
        max_sessions: cap on sessions of all processes together.
        metrics: shows how many there are, and how many were found expired.
    """

    def __init__(self, scripts: Scripts, keyspace: Keyspace, max_sessions: int, metrics: Metrics) -> None:
        self._scripts = scripts
        self._keyspace = keyspace
        self._keys = (keyspace.index(), keyspace.owners())
        self._max_sessions = max_sessions
        self._metrics = metrics

    async def admit(
        self, session_id: str, ttl_ms: int, owner: str | None = None, owner_limit: int | None = None
    ) -> None:
        """Enter a session that is about to begin. Raises TooManySessions, of all or of its owner's.

        Args:
            session_id: may be in use; that is found out when it is created.
            ttl_ms: milliseconds for which nobody need look at it.
            owner: id of the API key that begins it, None where there are no keys.
            owner_limit: how many the owner may have at once.
        """
        keys = self._keys if owner is None else (*self._keys, self._keyspace.index(owner))
        limits = (self._max_sessions, "" if owner_limit is None else owner_limit)
        reply = await self._scripts.run("admit", keys, session_id, ttl_ms, *limits, owner or "")
        if reply[0] != b"ok":
            who = "the server" if reply[0] == b"full" else "the API key"
            raise TooManySessions(f"{who} holds {reply[1]} sessions, its limit", retry_after_ms=1 + int(reply[2]))
        self._metrics.sessions_active.set(reply[1])

    async def leave(self, session_id: str) -> None:
        """Take a session out that has ended, or did not begin."""
        _, count = await self._scripts.run("settle", self._keys, session_id, "", "")
        self._metrics.sessions_active.set(count)

    async def sweep(self) -> int:
        """Take out what has expired; how many sessions are left."""
        ended = 0
        while True:
            count, *due = await self._scripts.run("due", self._keys[:1], AT_ONCE)
            if not due:
                break
            ids, times = due[::2], due[1::2]
            left = await self._looked_at([session_id.decode() for session_id in ids])
            entries = (part for entry in zip(ids, times, left, strict=True) for part in entry)
            taken_out, _ = await self._scripts.run("settle", self._keys, *entries)
            ended += int(taken_out)
        self._metrics.sessions_active.set(count)
        self._metrics.sessions_closed.labels("expired").inc(ended)
        return int(count)

    async def _looked_at(self, session_ids: list[str]) -> list[int | str]:
        """Milliseconds that each session lives at least; an empty text where it is gone."""
        with self._scripts.translate_errors():
            async with self._scripts.client.pipeline(transaction=False) as pipeline:
                for session_id in session_ids:
                    key = self._keyspace.session(session_id).session
                    pipeline.pttl(key)
                    pipeline.hget(key, "ttl_ms")
                found = await pipeline.execute()
        # A held session may be released now, and has its TTL then.
        return [
            max(1, min(left_ms, int(ttl_ms))) if ttl_ms is not None else ""
            for left_ms, ttl_ms in zip(found[::2], found[1::2], strict=True)
        ]
