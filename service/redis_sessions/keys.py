"""Every key in Redis. What stands in braces decides the slot in a cluster: all of a session is in one."""

from typing import NamedTuple


class SessionKeys(NamedTuple):
    """The keys of one session.

    Attributes:
        session: hash; everything that is known of it. Its expiry is the session's own.
        mark: string, `expired` or `closed`; outlives the session and tells how it ended.
    """

    session: str
    mark: str


def session_keys(prefix: str, session_id: str) -> SessionKeys:
    """Where a session is kept. The id holds no braces (`limits.checked_session_id`)."""
    return SessionKeys(f"{prefix}:{{{session_id}}}:session", f"{prefix}:{{{session_id}}}:mark")


def index_key(prefix: str) -> str:
    """Sorted set of all session ids, each with a time (Unix milliseconds) before which it does not expire."""
    return f"{prefix}:{{index}}"
