"""What a session is between two frames, and what keeps it: the values, and the protocol of every store.

The store is the authority on order. `commit` and `spend` are its only writes for a frame; both compare
(epoch, seq) with what `checkout` read and set everything together, so a frame that fails anywhere before
leaves the session as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from model.state import SessionState
from service.contract.messages import FrameResult, ModelInfo, SessionOptions

Clock = Callable[[], float]
"""Seconds, never going back."""


class Version(NamedTuple):
    """What compare-and-set compares. `epoch` tells lives of one id apart; `seq` is expected next.

    `token` tells two histories of one life apart, where a store outside the process may lose its last writes.
    """

    epoch: int
    seq: int
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class SessionMeta:
    """What is fixed when a session is created. `owner` is the API key's id, None where there are no keys."""

    model: ModelInfo
    options: SessionOptions
    ttl_s: float
    owner: str | None = None


Place = tuple[str, bytes]
"""A stream's key and an entry's id. Ids are times: entries of two streams may have the same one."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A frame that came through a stream in Redis: what its commit acknowledges, and whom it answers.

    Attributes:
        stream, group, entry: the stream's key, the consumer group that reads it, and the entry's id.
        channel: where its frontend listens; reply_id: 16 bytes by which that frontend knows the frame.
        before_result: goes before the stored answer in what is published.
        settled: the store has acknowledged and answered it, in one step with the commit.
    """

    stream: str
    group: str
    entry: bytes
    channel: bytes
    reply_id: bytes
    before_result: bytes
    settled: bool = False

    @property
    def place(self) -> Place:
        """Which frame it is, among all of a deployment."""
        return self.stream, self.entry


@dataclass(frozen=True, slots=True)
class SessionHead:
    """A session without its state.

    Attributes:
        next_seq: the frame expected next.
        last_pts_us: the last pts that was spent, None where no frame had one.
        expires_in_s: seconds until it expires if nothing more comes; its whole TTL while it is held.
    """

    meta: SessionMeta
    next_seq: int
    last_pts_us: int | None
    expires_in_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Checkout:
    """What one frame starts from.

    Attributes:
        state: what the last computed frame left behind; None at the start.
        version: to be handed back in commit or spend.
        replay: the stored answer where the frame is the last one, sent again; nothing is to be computed.
        meta: as created.
    """

    state: SessionState | None
    version: Version
    replay: FrameResult | None
    meta: SessionMeta


class SessionStore(Protocol):
    """Keeps sessions. Every method raises SessionUnknown or SessionExpired where the session is not there.

    A store outside the process raises StoreUnavailable where it does not answer; only `release` never does.
    """

    async def create(self, session_id: str, meta: SessionMeta, owner_limit: int | None = None) -> SessionHead:
        """Begin a session. Raises BadRequest where the id is in use, TooManySessions (of all, or of its owner)."""
        ...

    async def hold(self, session_id: str) -> SessionHead:
        """Stop the idle clock; holds are counted, each is given back by one `release`."""
        ...

    async def release(self, session_id: str) -> None:
        """Give a hold back; the idle clock starts anew. A session that ended meanwhile is no error."""
        ...

    async def checkout(self, session_id: str, seq: int) -> Checkout:
        """Read for frame `seq`. Raises SeqOutOfOrder where it is neither the next nor the last one."""
        ...

    async def commit(
        self,
        session_id: str,
        version: Version,
        state: SessionState | None,
        result: FrameResult,
        delivery: Delivery | None = None,
    ) -> None:
        """Set state and answer, expect the next seq, start the idle clock anew, settle the delivery: all or nothing.

        Raises StaleCommit.
        """
        ...

    async def spend(
        self, session_id: str, version: Version, result: FrameResult, delivery: Delivery | None = None
    ) -> None:
        """As commit for a frame that ended without a new state: its answer is stored, the state stays."""
        ...

    async def info(self, session_id: str) -> SessionHead:
        """Look, without touching the idle clock."""
        ...

    async def close(self, session_id: str) -> SessionHead:
        """End the session; its last head."""
        ...

    async def sweep(self) -> int:
        """Let go of what has expired; how many sessions are left."""
        ...
