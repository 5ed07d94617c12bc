"""States that this process committed or read last."""

from collections import OrderedDict
from typing import NamedTuple

from model.state import TrackState
from service.sessions.store import SessionMeta, Version


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
    state: TrackState | None
    version: Version
    meta: SessionMeta


class StateCache:
    """A bounded cache by session; what was used longest ago goes first. What is here may be old: Redis compares its id.

    Args:
        most: states held at once, 106 KB each for 13 joints at 64 x 64; 0 holds none.
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
