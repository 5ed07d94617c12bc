"""Sessions of one process, in its memory."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from model.state import SessionState
from service.contract.messages import FrameResult
from service.errors import (
    BadRequest,
    KineposeError,
    SeqOutOfOrder,
    SessionExpired,
    SessionUnknown,
    StaleCommit,
    TooManySessions,
)
from service.observability.metrics import Metrics
from service.sessions.store import Checkout, Clock, Delivery, SessionHead, SessionMeta, Version


@dataclass(slots=True, eq=False)
class _Session:
    meta: SessionMeta
    epoch: int
    idle_since: float
    holds: int = 0
    next_seq: int = 0
    last_pts_us: int | None = None
    state: SessionState | None = None
    result: FrameResult | None = None

    @property
    def version(self) -> Version:
        return Version(self.epoch, self.next_seq)


@dataclass(slots=True, eq=False)
class InMemorySessions:
    """Sessions of one process, in its event loop. No method suspends, so each is atomic.

    Args:
        max_sessions: cap on sessions held at once; a full store refuses new ones and never evicts.
        remembered: ids of ended sessions kept, oldest forgotten first.
        metrics: counts sessions that begin and end, and lost races.
        clock: source of time.
    """

    max_sessions: int
    remembered: int
    metrics: Metrics
    clock: Clock = time.monotonic
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _ended: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _epoch: int = 0

    async def create(self, session_id: str, meta: SessionMeta, owner_limit: int | None = None) -> SessionHead:
        """See SessionStore."""
        await self.sweep()
        if session_id in self._sessions:
            raise BadRequest(f"session {session_id} is in use", session_id)
        self._check_room("the server", list(self._sessions.values()), self.max_sessions)
        if owner_limit is not None:
            own = [session for session in self._sessions.values() if session.meta.owner == meta.owner]
            self._check_room("the API key", own, owner_limit)
        self._ended.pop(session_id, None)
        self._epoch += 1
        session = self._sessions[session_id] = _Session(meta, self._epoch, self.clock())
        self.metrics.sessions_active.set(len(self._sessions))
        return self._head(session)

    async def hold(self, session_id: str) -> SessionHead:
        """See SessionStore."""
        session = self._get(session_id)
        session.holds += 1
        return self._head(session)

    async def release(self, session_id: str) -> None:
        """See SessionStore."""
        session = self._sessions.get(session_id)
        if session is not None and session.holds:
            session.holds -= 1
            session.idle_since = self.clock()

    async def checkout(self, session_id: str, seq: int) -> Checkout:
        """See SessionStore."""
        session = self._get(session_id)
        replay = session.result if session.result is not None and session.result.seq == seq else None
        if replay is None and seq != session.next_seq:
            raise SeqOutOfOrder(f"expected frame {session.next_seq}, got {seq}", session_id, seq, session.next_seq)
        return Checkout(session.state, session.version, replay, session.meta)

    async def commit(
        self,
        session_id: str,
        version: Version,
        state: SessionState | None,
        result: FrameResult,
        delivery: Delivery | None = None,
    ) -> None:
        """See SessionStore. Frames of this process come from no stream."""
        session = self._get(session_id)
        self._advance(session, version, result)
        session.state = state

    async def spend(
        self, session_id: str, version: Version, result: FrameResult, delivery: Delivery | None = None
    ) -> None:
        """See SessionStore."""
        self._advance(self._get(session_id), version, result)

    async def info(self, session_id: str) -> SessionHead:
        """See SessionStore."""
        return self._head(self._get(session_id))

    async def close(self, session_id: str) -> SessionHead:
        """See SessionStore."""
        head = self._head(self._get(session_id))
        self._end(session_id, "closed")
        return head

    async def sweep(self) -> int:
        """See SessionStore."""
        for session_id in [name for name, session in self._sessions.items() if self._left_s(session) <= 0]:
            self._end(session_id, "expired")
        return len(self._sessions)

    def _get(self, session_id: str) -> _Session:
        session = self._sessions.get(session_id)
        if session is not None and self._left_s(session) > 0:
            return session
        if session is not None:
            self._end(session_id, "expired")
        raise self._gone(session_id)

    def _gone(self, session_id: str) -> KineposeError:
        reason = self._ended.get(session_id)
        if reason is None:
            return SessionUnknown(f"no session {session_id}", session_id)
        return SessionExpired(f"session {session_id} has {reason}", session_id)

    def _end(self, session_id: str, reason: str) -> None:
        del self._sessions[session_id]
        self._ended[session_id] = "expired" if reason == "expired" else "been closed"
        while len(self._ended) > self.remembered:
            self._ended.popitem(last=False)
        self.metrics.sessions_closed.labels(reason).inc()
        self.metrics.sessions_active.set(len(self._sessions))

    def _advance(self, session: _Session, version: Version, result: FrameResult) -> None:
        if version != session.version:
            self.metrics.state_cas_conflicts.inc()
            raise StaleCommit("the session moved on in between", result.session_id, result.seq, session.next_seq)
        session.next_seq += 1
        session.idle_since = self.clock()
        session.result = result
        if result.pts_us is not None and (session.last_pts_us is None or result.pts_us > session.last_pts_us):
            session.last_pts_us = result.pts_us

    def _left_s(self, session: _Session) -> float:
        idle_s = 0.0 if session.holds else self.clock() - session.idle_since
        return session.meta.ttl_s - idle_s

    def _head(self, session: _Session) -> SessionHead:
        return SessionHead(session.meta, session.next_seq, session.last_pts_us, self._left_s(session))

    def _check_room(self, who: str, held: list[_Session], most: int) -> None:
        if len(held) >= most:
            # When the first of them would expire.
            soonest_ms = 1 + int(1000 * min((self._left_s(session) for session in held), default=0))
            raise TooManySessions(f"{who} holds {len(held)} sessions, its limit", retry_after_ms=soonest_ms)
