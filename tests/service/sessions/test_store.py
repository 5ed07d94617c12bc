"""What every session store does; and the in-memory one against a model of what a session is."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
from service.sessions.memory import InMemorySessions
from service.sessions.store import SessionStore, Version
from tests.support.pipelines import ManualClock
from tests.support.stores import TTL_S, Kept, KeptInMemory, kept_in_redis, meta, result, same, state

MOST = 3
SLACK_S = TTL_S / 10  # A real Redis's clock goes on by itself.
T = TypeVar("T")


@pytest.fixture(params=["memory", "redis"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    """Each kind of store, with room for three sessions."""
    if request.param == "memory":
        yield KeptInMemory(MOST)
        return
    async with kept_in_redis(request.getfixturevalue("redis_url"), MOST) as kept:
        yield kept


@pytest.fixture
def store(kept: Kept) -> SessionStore:
    """The store itself."""
    return kept.store


async def test_idle_session_expires_and_is_told_from_an_unknown_one(kept: Kept) -> None:
    """After its TTL a session is gone for a stated reason; one that never was is unknown."""
    await kept.store.create("a", meta())
    await kept.elapse(TTL_S)
    with pytest.raises(SessionExpired, match="has expired"):
        await kept.store.checkout("a", 0)
    with pytest.raises(SessionUnknown):
        await kept.store.checkout("b", 0)


async def test_held_session_does_not_expire(kept: Kept) -> None:
    """The idle clock stands still while a frame is queued, and starts anew after it."""
    await kept.store.create("a", meta())
    await kept.elapse(TTL_S - SLACK_S)
    assert (await kept.store.hold("a")).expires_in_s == TTL_S
    await kept.elapse(TTL_S + SLACK_S)
    assert (await kept.store.info("a")).expires_in_s == TTL_S
    await kept.store.release("a")
    await kept.elapse(TTL_S - SLACK_S)
    assert (await kept.store.info("a")).expires_in_s == pytest.approx(SLACK_S, abs=SLACK_S / 2)
    await kept.elapse(SLACK_S)
    with pytest.raises(SessionExpired):
        await kept.store.info("a")


async def test_session_is_held_until_its_last_hold_is_given_back(kept: Kept) -> None:
    """Holds are counted; one release too many is no error."""
    await kept.store.create("a", meta())
    await kept.store.hold("a")
    await kept.store.hold("a")
    await kept.store.release("a")
    await kept.elapse(TTL_S + SLACK_S)
    assert (await kept.store.info("a")).expires_in_s == TTL_S
    await kept.store.release("a")
    await kept.store.release("a")
    await kept.elapse(TTL_S)
    with pytest.raises(SessionExpired):
        await kept.store.info("a")
    await kept.store.release("a")


async def test_looking_does_not_keep_a_session_alive(kept: Kept) -> None:
    """`info` leaves the idle clock alone."""
    await kept.store.create("a", meta())
    await kept.elapse(TTL_S / 2)
    await kept.store.info("a")
    await kept.elapse(TTL_S / 2)
    assert await kept.store.sweep() == 0


async def test_committed_frame_keeps_its_session_alive(kept: Kept) -> None:
    """Whoever held it: the idle clock starts anew with each answer."""
    await kept.store.create("a", meta())
    for seq in range(3):
        await kept.elapse(TTL_S - SLACK_S)
        version = (await kept.store.checkout("a", seq)).version
        await kept.store.commit("a", version, state(seq), result("a", seq))
    assert (await kept.store.info("a")).expires_in_s == pytest.approx(TTL_S, abs=SLACK_S)


async def test_full_store_refuses_and_evicts_nobody(kept: Kept) -> None:
    """At the cap a new session is refused, with the time at which the first may be gone."""
    for name in "abc":
        await kept.store.create(name, meta())
    with pytest.raises(TooManySessions) as raised:
        await kept.store.create("d", meta())
    assert raised.value.retry_after_ms is not None
    assert raised.value.retry_after_ms / 1000 == pytest.approx(TTL_S, abs=SLACK_S)
    await kept.elapse(TTL_S)
    await kept.store.create("d", meta())
    assert await kept.store.sweep() == 1


async def test_closed_session_makes_room(store: SessionStore) -> None:
    """At once."""
    for name in "abc":
        await store.create(name, meta())
    await store.close("b")
    await store.create("d", meta())
    assert await store.sweep() == MOST


async def test_each_frame_starts_from_the_state_before_it(store: SessionStore) -> None:
    """A commit's state is there for the next frame; a spent frame leaves it, a commit of none takes it away."""
    await store.create("a", meta())
    before = state(0)
    first = await store.checkout("a", 0)
    assert first.state is None
    await store.commit("a", first.version, before, result("a", 0))
    second = await store.checkout("a", 1)
    assert same(second.state, before)
    await store.spend("a", second.version, result("a", 1))
    third = await store.checkout("a", 2)
    assert same(third.state, before)
    await store.commit("a", third.version, None, result("a", 2))
    assert (await store.checkout("a", 3)).state is None


async def test_last_frame_again_gets_its_stored_answer(store: SessionStore) -> None:
    """With everything in it; an earlier one, or one too far ahead, is out of order."""
    await store.create("a", meta())
    for seq in range(2):
        answer = result("a", seq, pts_us=40_000 * seq)
        await store.commit("a", (await store.checkout("a", seq)).version, state(seq), answer)
    found = await store.checkout("a", 1)
    assert same(found.replay, answer)
    assert found.version.seq == 2
    for seq in (-1, 0, 3):
        with pytest.raises(SeqOutOfOrder) as raised:
            await store.checkout("a", seq)
        assert raised.value.expected_seq == 2


@pytest.mark.parametrize(
    ("times", "last"),
    [
        ([None], None),
        ([None, 5, None], 5),
        ([9, 10], 10),
        ([10, 9], 10),
        ([-10, -9], -9),
        ([-1, 1], 1),
        ([2**62 + 1, 2**62], 2**62 + 1),
        ([-(2**63), -(2**63) + 1], -(2**63) + 1),
    ],
)
async def test_last_pts_never_goes_back(store: SessionStore, times: list[int | None], last: int | None) -> None:
    """It is the latest one that was spent, of all whole numbers that a client may send."""
    await store.create("a", meta())
    for seq, pts_us in enumerate(times):
        await store.spend("a", (await store.checkout("a", seq)).version, result("a", seq, pts_us))
    assert (await store.info("a")).last_pts_us == last


async def test_commit_of_an_earlier_life_is_stale(kept: Kept) -> None:
    """A frame checked out before its session was closed and created anew cannot write into the new one."""
    store = kept.store
    await store.create("a", meta())
    version = (await store.checkout("a", 0)).version
    await store.close("a")
    await store.create("a", meta())
    with pytest.raises(StaleCommit):
        await store.commit("a", version, None, result("a", 0))
    assert kept.sample("state_cas_conflicts_total") == 1
    assert (await store.info("a")).next_seq == 0


async def test_second_commit_of_one_version_is_stale(store: SessionStore) -> None:
    """Of two that raced for a frame, one wins."""
    await store.create("a", meta())
    version = (await store.checkout("a", 0)).version
    await store.commit("a", version, None, result("a", 0))
    with pytest.raises(StaleCommit) as raised:
        await store.spend("a", version, result("a", 0))
    assert raised.value.expected_seq == 1


async def test_id_in_use_is_refused(store: SessionStore) -> None:
    """A running session is not replaced by another of its name, also where the store is full."""
    for name in "abc":
        await store.create(name, meta())
    with pytest.raises(BadRequest, match="in use"):
        await store.create("a", meta())
    assert await store.sweep() == MOST


async def test_ends_are_counted_by_reason(kept: Kept) -> None:
    """Closed and expired sessions are counted apart."""
    await kept.store.create("a", meta())
    await kept.store.create("b", meta())
    assert (await kept.store.close("a")).next_seq == 0
    await kept.elapse(TTL_S)
    await kept.store.sweep()
    assert kept.sample("sessions_closed_total", reason="closed") == 1
    assert kept.sample("sessions_closed_total", reason="expired") == 1
    assert kept.sample("sessions_active") == 0


async def test_ended_session_is_gone_for_every_call(store: SessionStore) -> None:
    """Each learns that it has been closed; created anew, it begins at 0."""
    await store.create("a", meta())
    version = (await store.checkout("a", 0)).version
    await store.commit("a", version, state(0), result("a", 0))
    await store.close("a")
    calls = (
        store.hold("a"),
        store.checkout("a", 1),
        store.commit("a", version, state(0), result("a", 0)),
        store.spend("a", version, result("a", 0)),
        store.info("a"),
        store.close("a"),
    )
    for call in calls:
        with pytest.raises(SessionExpired, match="has been closed"):
            await call
    await store.create("a", meta())
    fresh = await store.checkout("a", 0)
    assert (fresh.state, fresh.replay, fresh.version.seq) == (None, None, 0)


async def test_memory_of_ended_sessions_is_bounded() -> None:
    """In memory, the oldest ended id is forgotten first, and then is unknown."""
    store = InMemorySessions(MOST, 1, Metrics(), ManualClock())
    for name in "ab":
        await store.create(name, meta())
        await store.close(name)
    with pytest.raises(SessionUnknown):
        await store.info("a")
    with pytest.raises(SessionExpired, match="closed"):
        await store.info("b")


class _Expected:
    """What the machine believes of a session."""

    def __init__(self, now_s: float) -> None:
        self.next_seq = 0
        self.last: FrameResult | None = None
        self.idle_since = now_s
        self.holds = 0


NAMES = st.sampled_from(["a", "b", "c", "d"])


class SessionMachine(RuleBasedStateMachine):
    """Frames, replays, gaps, holds, expiry and closes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.store = InMemorySessions(MOST, 100, Metrics(), self.clock)
        self.live: dict[str, _Expected] = {}
        self.ended: set[str] = set()

    def teardown(self) -> None:
        self.runner.close()

    def run(self, call: Coroutine[Any, Any, T]) -> T | KineposeError:
        """The call's value, or its error as a value."""
        try:
            return self.runner.run(call)
        except KineposeError as error:
            return error

    def expected(self, name: str) -> _Expected | None:
        """The session as it should be now."""
        for other, session in list(self.live.items()):
            if not session.holds and self.clock() - session.idle_since >= TTL_S:
                del self.live[other]
                self.ended.add(other)
        return self.live.get(name)

    def check_gone(self, name: str, answer: object) -> None:
        """An error that tells an ended session from one that never was."""
        assert isinstance(answer, SessionExpired if name in self.ended else SessionUnknown)

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        session = self.expected(name)
        answer = self.run(self.store.create(name, meta()))
        if session is not None:
            assert isinstance(answer, BadRequest)
        elif len(self.live) >= MOST:
            assert isinstance(answer, TooManySessions)
        else:
            assert not isinstance(answer, KineposeError)
            self.live[name] = _Expected(self.clock())
            self.ended.discard(name)

    @rule(name=NAMES, offset=st.integers(-3, 3), spent=st.booleans())
    def frame(self, name: str, offset: int, spent: bool) -> None:
        """Offset 0 is the next frame, -1 the last one again, any other one is out of order."""
        session = self.expected(name)
        seq = offset + (session.next_seq if session else 0)
        found = self.run(self.store.checkout(name, seq))
        if session is None:
            self.check_gone(name, found)
        elif offset == -1 and session.last is not None:
            assert not isinstance(found, KineposeError)
            assert found.replay is session.last
        elif offset != 0:
            assert isinstance(found, SeqOutOfOrder)
            assert found.expected_seq == session.next_seq
        else:
            assert not isinstance(found, KineposeError)
            assert found.replay is None
            self._write(name, session, found.version, spent)

    def _write(self, name: str, session: _Expected, version: Version, spent: bool) -> None:
        answer = result(name, session.next_seq)
        if spent:
            written = self.run(self.store.spend(name, version, answer))
        else:
            written = self.run(self.store.commit(name, version, None, answer))
        assert not isinstance(written, KineposeError)
        session.next_seq, session.last = session.next_seq + 1, answer
        session.idle_since = self.clock()

    @rule(name=NAMES)
    def hold(self, name: str) -> None:
        session = self.expected(name)
        head = self.run(self.store.hold(name))
        if session is None:
            self.check_gone(name, head)
        else:
            session.holds += 1

    @rule(name=NAMES)
    def release(self, name: str) -> None:
        session = self.expected(name)
        self.run(self.store.release(name))
        if session is not None and session.holds:
            session.holds -= 1
            session.idle_since = self.clock()

    @rule(name=NAMES)
    def close(self, name: str) -> None:
        session = self.expected(name)
        head = self.run(self.store.close(name))
        if session is None:
            self.check_gone(name, head)
        else:
            del self.live[name]
            self.ended.add(name)

    @rule(seconds=st.floats(0, 1.5 * TTL_S))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def holds_what_it_should(self) -> None:
        self.expected("a")
        assert self.run(self.store.sweep()) == len(self.live)
        for name, session in self.live.items():
            head = self.run(self.store.info(name))
            assert not isinstance(head, KineposeError)
            assert head.next_seq == session.next_seq


SessionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSessionMachine = SessionMachine.TestCase
