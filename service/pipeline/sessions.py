"""Sessions as clients have them: begun, looked at, closed; each belongs to the API key that began it."""

import asyncio
import logging
import re
import secrets

from service.auth.access import RateLimits, check_owner
from service.auth.api_keys import ANYONE, Caller
from service.config import Settings
from service.contract.messages import ModelInfo, SessionInfo, SessionOptions
from service.errors import BadRequest, ModelUnknown, StoreUnavailable, TooManyPeople
from service.observability.metrics import Metrics
from service.pipeline.lifecycle import Lifecycle
from service.pipeline.sequencer import Sequencer
from service.sessions.store import SessionHead, SessionMeta, SessionStore

log = logging.getLogger(__name__)

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class Sessions:
    """The sessions of a server.

    Args:
        settings: limits.
        model: what sessions are begun with.
        store: where they are kept.
        sequencer: knows which of their frames are in flight.
        lifecycle: whether new ones are taken.
        rate_limits: what an API key may ask for.
        metrics: counts refusals.
    """

    def __init__(
        self,
        settings: Settings,
        model: ModelInfo,
        store: SessionStore,
        sequencer: Sequencer,
        lifecycle: Lifecycle,
        rate_limits: RateLimits,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._model = model
        self._store = store
        self._sequencer = sequencer
        self._lifecycle = lifecycle
        self._rate_limits = rate_limits
        self._metrics = metrics

    async def create(
        self, options: SessionOptions, session_id: str | None = None, *, caller: Caller = ANYONE
    ) -> SessionInfo:
        """Begin a session, under an id of the client's own if it gives one.

        Raises:
            BadRequest: the id is malformed or in use, or the TTL is out of range.
            TooManyPeople: more than this server follows in one session.
            ModelUnknown, TooManySessions, RateLimited, Draining.
        """
        self._lifecycle.check_serving()
        session_id = secrets.token_hex(16) if session_id is None else checked_session_id(session_id)
        meta = SessionMeta(self._model, options, checked_ttl_s(options.ttl_s, self._settings), caller.key_id)
        if options.model not in (None, self._model.name):
            raise ModelUnknown(f"model {options.model!r} is not served here; {self._model.name!r} is")
        check_max_people(options.max_people, self._settings)
        await self._rate_limits.session(caller)
        head = await self._store.create(session_id, meta, caller.limits.max_sessions)
        log.info("session %s: created", session_id)
        return _info(session_id, head)

    async def info(self, session_id: str, *, caller: Caller = ANYONE) -> SessionInfo:
        """Look at a session without keeping it alive. Raises SessionUnknown, SessionExpired, Forbidden."""
        head = await self._store.info(session_id)
        check_owner(caller, head.meta.owner, f"session {session_id}", self._metrics)
        return _info(session_id, head)

    async def close(self, session_id: str, *, caller: Caller = ANYONE) -> SessionInfo:
        """End a session after its frames in flight. Raises SessionUnknown, SessionExpired, Forbidden."""
        try:
            async with self._sequencer.use(session_id) as sequence:
                check_owner(caller, sequence.owner, f"session {session_id}", self._metrics)
                sequence.closing = True
                try:
                    await sequence.empty()
                    head = await self._store.close(session_id)
                    self._sequencer.forget(sequence)
                except (asyncio.CancelledError, StoreUnavailable):
                    sequence.closing = False
                    raise
        finally:
            self._lifecycle.end_session(session_id)
        log.info("session %s: closed after %d frames", session_id, head.next_seq)
        return _info(session_id, head)


def _info(session_id: str, head: SessionHead) -> SessionInfo:
    return SessionInfo(session_id, head.next_seq, head.expires_in_s, head.meta.model, head.meta.options)


def checked_session_id(session_id: str) -> str:
    """An id that a client chose. Raises BadRequest."""
    if not SESSION_ID.fullmatch(session_id):
        raise BadRequest("a session id is 1 to 128 of A-Z a-z 0-9 _ . : - and begins with a letter or digit")
    return session_id


def check_max_people(max_people: int, settings: Settings) -> None:
    """How many people a session may follow. Raises BadRequest, TooManyPeople."""
    if max_people < 1:
        raise BadRequest(f"max_people: expected 1 or more, got {max_people}")
    if max_people > settings.max_people:
        raise TooManyPeople(f"max_people: this server follows at most {settings.max_people}, got {max_people}")


def checked_ttl_s(ttl_s: float | None, settings: Settings) -> float:
    """A session's TTL, seconds; the server's own where the client asks for none. Raises BadRequest."""
    if ttl_s is None:
        return settings.session_ttl_s
    if not 0 < ttl_s <= settings.max_session_ttl_s:
        most = settings.max_session_ttl_s
        raise BadRequest(f"ttl_s: expected more than 0 and at most {most:g}, got {ttl_s}")
    return ttl_s
