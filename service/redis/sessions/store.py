"""RedisSessions: the session store of many processes. One Lua script an operation, so each is atomic."""

import asyncio
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from model.state import SessionState
from model.state_codec import StateError, UnknownStateVersion, decode_state, encode_state
from service.config import Settings
from service.contract.messages import FrameResult
from service.errors import (
    BadRequest,
    KineposeError,
    NotReplicated,
    SeqOutOfOrder,
    SessionExpired,
    SessionUnknown,
    StaleCommit,
    StoreUnavailable,
    TooManySessions,
)
from service.observability.metrics import Metrics
from service.redis.client import RETRY_AFTER_AWAY_MS, Command, RedisClient, Scripts, lua
from service.redis.codec import RecordError, decode_meta, decode_result, encode_record
from service.redis.keys import Keyspace
from service.redis.sessions.index import SessionIndex
from service.sessions.store import Checkout, Delivery, SessionHead, SessionMeta, Version

log = logging.getLogger(__name__)

Reply = list[Any]
T = TypeVar("T")

DURABLE = ("create", "commit", "close")
"""What a replica has before it is answered, where the settings ask for that."""
STAGED_MS = 60_000
"""A state that was put into Redis and not taken over by its commit, which failed, goes after this."""
_ENDS = {b"expired": "has expired", b"closed": "has been closed"}


class CachedState(NamedTuple):
    """A state, and where its session was when this process saw it last.

    Attributes:
        id: token of the commit that wrote the state, b"" where there is none. Not (epoch, seq): a Redis that lost its
            last writes in a crash may see the same seq twice, with other frames.
        state: None at the start.
        version: what the next commit compares.
        meta: as created.
    """

    id: bytes
    state: SessionState | None
    version: Version
    meta: SessionMeta


class StateCache:
    """States that this process committed or read last, by session; what was used longest ago goes first.

    What is here may be old: Redis compares its id.

    Args:
        most: states held at once; 0 holds none.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._states: OrderedDict[str, CachedState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, session_id: str) -> CachedState | None:
        """The session's state that was seen last, now the last to go."""
        found = self._states.get(session_id)
        if found is not None:
            self._states.move_to_end(session_id)
        return found

    def put(self, session_id: str, hot: CachedState) -> None:
        """Keep a state in place of the session's earlier one."""
        self._states[session_id] = hot
        self._states.move_to_end(session_id)
        while len(self._states) > self._most:
            self._states.popitem(last=False)

    def drop(self, session_id: str) -> None:
        """Let the session's state go, if there is one."""
        self._states.pop(session_id, None)


class RedisSessions:
    """See SessionStore. Belongs to one event loop; any number of them, in any processes, share the sessions.

    Every method raises StoreUnavailable where Redis does not answer; nothing has to be done when it is back. A call
    that failed so may have come through all the same: a commit sent again is then a replay.

    Args:
        client: with bytes as replies; who made it closes it.
        settings: limits and names; the same in all processes of a deployment.
        metrics: counts sessions that begin and end, and lost races.
        optimistic: `checkout` trusts a hot state that fits the frame, and asks Redis only where there is none. What it
            does not know by then (the session was closed, or went on elsewhere), commit and spend find out.
    """

    def __init__(self, client: RedisClient, settings: Settings, metrics: Metrics, *, optimistic: bool = False) -> None:
        self._keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        self._times_ms = (_ms(settings.hold_lease_s), _ms(settings.remembered_s))
        self._optimistic = optimistic
        self._metrics = metrics
        self._scripts = Scripts(client, _texts(), replicas=settings.redis_wait_replicas, wait_ms=settings.redis_wait_ms)
        self._index = SessionIndex(self._scripts, self._keyspace, settings.max_sessions, metrics)
        self._hot = StateCache(settings.hot_states)
        self._undoing: set[asyncio.Task[None]] = set()

    async def create(self, session_id: str, meta: SessionMeta, owner_limit: int | None = None) -> SessionHead:
        """See SessionStore. Raises TooManySessions, too, where Redis is at its memory limit."""
        return await self._unless_lost(self._create(session_id, meta, owner_limit), lambda: self.close(session_id))

    async def _create(self, session_id: str, meta: SessionMeta, owner_limit: int | None) -> SessionHead:
        await self._index.sweep()
        ttl_ms = _ms(meta.ttl_s)
        await self._index.admit(session_id, ttl_ms, meta.owner, owner_limit)
        epoch = secrets.randbits(63)
        try:
            reply = await self._run("create", session_id, epoch, encode_record(meta), ttl_ms)
        except TooManySessions:
            await self._index.leave(session_id)
            raise
        if reply[0] == b"used":
            raise BadRequest(f"session {session_id} is in use", session_id)
        return SessionHead(meta, 0, None, meta.ttl_s)

    async def hold(self, session_id: str) -> SessionHead:
        """See SessionStore. A hold is a lease: `hold`, `checkout` and the writes renew it."""
        return await self._unless_lost(self._hold(session_id), lambda: self.release(session_id))

    async def _hold(self, session_id: str) -> SessionHead:
        return self._head(session_id, await self._run("hold", session_id))

    async def _unless_lost(self, work: Coroutine[Any, Any, T], undo: Callable[[], Awaitable[object]]) -> T:
        """What the work returns; it is undone where its caller is cancelled meanwhile: nobody else would do it."""
        task = asyncio.create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            undoing = asyncio.create_task(_undo(task, undo))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            raise

    async def release(self, session_id: str) -> None:
        """See SessionStore. Where Redis is away, the lease runs out by itself; that is no error."""
        with suppress(StoreUnavailable):
            await self._run("release", session_id)

    async def checkout(self, session_id: str, seq: int) -> Checkout:
        """See SessionStore. The state travels only where this process does not have it."""
        hot = self._hot.get(session_id)
        if self._optimistic and hot is not None and hot.version.seq == seq:
            return Checkout(hot.state, hot.version, None, hot.meta)
        reply = await self._run("checkout", session_id, seq, hot.id if hot else "")
        if reply[0] == b"order":
            expected = int(reply[1])
            raise SeqOutOfOrder(f"expected frame {expected}, got {seq}", session_id, seq, expected)
        _, epoch, next_seq, token, meta, result, state_id, state = reply
        with _readable(session_id):
            known = hot.state if hot and not state else None
            hot = CachedState(
                state_id,
                decode_state(state) if state else known if state_id else None,
                Version(int(epoch), int(next_seq), token),
                decode_meta(meta),
            )
            self._hot.put(session_id, hot)
            return Checkout(hot.state, hot.version, decode_result(result) if result else None, hot.meta)

    async def commit(
        self,
        session_id: str,
        version: Version,
        state: SessionState | None,
        result: FrameResult,
        delivery: Delivery | None = None,
    ) -> None:
        """See SessionStore. Raises TooManySessions where Redis has no memory for the session's first state."""
        kind, blob = ("drop", b"") if state is None else ("set", encode_state(state))
        token = await self._advance(session_id, version, result, delivery, kind, blob)
        self._moved_on(session_id, version, token, token if state else b"", state)

    async def spend(
        self, session_id: str, version: Version, result: FrameResult, delivery: Delivery | None = None
    ) -> None:
        """See SessionStore."""
        token = await self._advance(session_id, version, result, delivery, "keep")
        hot = self._hot.get(session_id)
        if hot is not None:
            self._moved_on(session_id, version, token, hot.id, hot.state)

    def _moved_on(
        self, session_id: str, last: Version, token: bytes, state_id: bytes, state: SessionState | None
    ) -> None:
        hot = self._hot.get(session_id)
        if hot is not None and hot.version == last:
            self._hot.put(session_id, CachedState(state_id, state, Version(last.epoch, last.seq + 1, token), hot.meta))
        else:
            self._hot.drop(session_id)

    async def _advance(
        self,
        session_id: str,
        version: Version,
        result: FrameResult,
        delivery: Delivery | None,
        kind: str,
        state: bytes = b"",
    ) -> bytes:
        """Write, and settle the delivery with it; the token of what was written."""
        token = secrets.token_bytes(8)
        pts = "" if result.pts_us is None else result.pts_us
        answer = encode_record(result)
        staged = f"{self._keyspace.session(session_id).state}:{token.hex()}"
        keys = (staged,) if delivery is None else (staged, delivery.stream)
        compared = (version.epoch, version.seq, token, answer, pts)
        rest = (version.token, version.seq + 1, *self._settled(delivery))
        reply: Reply = [b"nothing"]
        if kind == "set":
            # Not through Lua, which would copy it several times.
            before = ("SET", staged, state, "PX", STAGED_MS)
            reply = await self._run("commit", session_id, *compared, "move", b"", *rest, more_keys=keys, before=before)
        if reply[0] == b"nothing":
            reply = await self._run("commit", session_id, *compared, kind, state, *rest, more_keys=keys)
        if delivery is not None and self._scripts.replicas and reply[0] == b"ok":
            await self._scripts.publish(delivery.channel.decode(), delivery.before_result + answer)
        if reply[0] == b"stale":
            self._hot.drop(session_id)
            self._metrics.state_cas_conflicts.inc()
            raise StaleCommit("the session moved on in between", session_id, result.seq, int(reply[1]))
        if delivery is not None:
            delivery.settled = True
        return token

    def _settled(self, delivery: Delivery | None) -> tuple[str | bytes, ...]:
        """What commit.lua takes of a delivery."""
        if delivery is None:
            return ()
        # Where replicas are waited for, they must have it before the answer is heard.
        channel = b"" if self._scripts.replicas else delivery.channel
        return (delivery.group, delivery.entry, channel, delivery.before_result)

    async def info(self, session_id: str) -> SessionHead:
        """See SessionStore."""
        return self._head(session_id, await self._run("info", session_id))

    async def close(self, session_id: str) -> SessionHead:
        """See SessionStore."""
        head = self._head(session_id, await self._run("close", session_id))
        self._hot.drop(session_id)
        self._metrics.sessions_closed.labels("closed").inc()
        with suppress(StoreUnavailable):  # A sweep takes it out, then.
            await self._index.leave(session_id)
        return head

    async def sweep(self) -> int:
        """See SessionStore. Redis lets sessions go by itself; this counts those of all processes."""
        return await self._index.sweep()

    async def _run(
        self,
        script: str,
        session_id: str,
        *args: str | bytes | int,
        more_keys: tuple[str, ...] = (),
        before: Command | None = None,
    ) -> Reply:
        keys = (*self._keyspace.session(session_id), *more_keys)
        try:
            reply = await self._scripts.run(
                script, keys, *self._times_ms, *args, before=before, durably=script in DURABLE
            )
        except KineposeError as error:
            error.session_id = session_id
            if isinstance(error, NotReplicated):
                self._hot.drop(session_id)  # Redis is ahead of it.
            raise
        if reply[0] == b"gone":
            self._hot.drop(session_id)
            raise _gone(session_id, reply[1])
        return reply

    def _head(self, session_id: str, reply: Reply) -> SessionHead:
        _, next_seq, pts, meta_bytes, left_ms = reply
        with _readable(session_id):
            meta = decode_meta(meta_bytes)
        # While it is held, more than its TTL is left.
        return SessionHead(meta, int(next_seq), int(pts) if pts else None, min(meta.ttl_s, left_ms / 1000))


async def _undo(done: "asyncio.Task[Any]", undo: Callable[[], Awaitable[object]]) -> None:
    with suppress(KineposeError):  # Not done at all; or Redis is away, and it expires.
        await done
        await undo()


def _texts() -> dict[str, str]:
    of_sessions = ("create", "hold", "release", "info", "close", "checkout", "commit")
    of_index = ("admit", "due", "settle")
    own = {name: lua(__package__, "prelude", name) for name in of_sessions}
    return own | {name: lua(__package__, name) for name in of_index}


def _gone(session_id: str, mark: bytes) -> KineposeError:
    if mark in _ENDS:
        return SessionExpired(f"session {session_id} {_ENDS[mark]}", session_id)
    return SessionUnknown(f"no session {session_id}", session_id)


@contextmanager
def _readable(session_id: str) -> Iterator[None]:
    """What is stored and cannot be read ends the session, except where a newer Kinepose wrote it and can."""
    try:
        yield
    except UnknownStateVersion as error:
        log.error("session %s: %s", session_id, error)
        raise StoreUnavailable(
            "a newer server wrote this session's state", session_id, retry_after_ms=RETRY_AFTER_AWAY_MS
        ) from error
    except (StateError, RecordError) as error:
        log.error("session %s: %s", session_id, error)
        raise SessionExpired(f"session {session_id} cannot go on: it is stored in no known form", session_id) from error


def _ms(seconds: float) -> int:
    return max(1, math.ceil(1000 * seconds))
