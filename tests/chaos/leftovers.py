"""What a run leaves in Redis: read once all is calm, while the sessions still live."""

import asyncio
import re
import time
from collections.abc import Set

from redis.asyncio import Redis

from tests.chaos.checks import Leftovers
from tests.chaos.store import Store

SETTLE_S = 30.0
"""Frames in flight end, and leases of frontends that were killed run out, long before."""
LOOK_EVERY_S = 0.2
SESSION = re.compile(r":session:([^:]+)$")
"""The key of a session's hash, and the session's id in it."""


async def settled(store: Store, theirs: Set[str] = frozenset()) -> Leftovers:
    """What is left once nothing is in flight, or still there after SETTLE_S; without `theirs`, sessions of others."""
    async with store.servers() as servers:
        until = time.monotonic() + SETTLE_S
        while True:
            left = _together([await _look(redis, theirs) for redis in servers])
            busy = left.held or any(left.waiting.values()) or any(left.pending.values())
            if not busy or time.monotonic() > until:
                return left
            await asyncio.sleep(LOOK_EVERY_S)


def _together(parts: list[Leftovers]) -> Leftovers:
    return Leftovers(
        next_seqs={name: seq for part in parts for name, seq in part.next_seqs.items()},
        held=[name for part in parts for name in part.held],
        waiting={key: count for part in parts for key, count in part.waiting.items()},
        pending={key: count for part in parts for key, count in part.pending.items()},
    )


async def _look(redis: Redis, theirs: Set[str]) -> Leftovers:
    keys = [key.decode() async for key in redis.scan_iter(count=1000)]
    sessions = [key for key in keys if SESSION.search(key) and _session_id(key) not in theirs]
    streams = [key for key in keys if await redis.type(key) == b"stream"]
    heads = {key: await _head(redis, key) for key in sessions}
    return Leftovers(
        next_seqs={_session_id(key): seq for key, (seq, _) in heads.items()},
        held=[_session_id(key) for key, (_, held) in heads.items() if held],
        waiting={key: await redis.xlen(key) for key in streams},
        pending={key: await _pending(redis, key) for key in streams},
    )


async def _head(redis: Redis, key: str) -> tuple[int, bool]:
    """The next seq, and whether the session is held: a count that nobody renews holds no longer (ADR 6)."""
    seq, holds, ttl_ms = (int(number or 0) for number in await redis.hmget(key, ["seq", "holds", "ttl_ms"]))
    return seq, holds > 0 and await redis.pttl(key) > ttl_ms


async def _pending(redis: Redis, key: str) -> int:
    return sum(group["pending"] for group in await redis.xinfo_groups(key))


def _session_id(key: str) -> str:
    found = SESSION.search(key)
    assert found is not None
    return found[1]
