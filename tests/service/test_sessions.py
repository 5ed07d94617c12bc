"""The in-memory session store, against a model of what a session is."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.errors import (
    BadRequest,
    KineposeError,
    SeqOutOfOrder,
    SessionExpired,
    SessionUnknown,
    StaleCommit,
    TooManySessions,
)
from service.messages import FrameResult, ModelInfo, Outcome, SessionOptions
from service.metrics import Metrics
from service.sessions import InMemorySessions, SessionMeta, Version
from tests.support.pipelines import ManualClock

MODEL = ModelInfo("fake", "1", "0" * 64)
TTL_S = 10.0
MOST = 3
T = TypeVar("T")


def meta(ttl_s: float = TTL_S) -> SessionMeta:
    """A session's fixed part."""
    return SessionMeta(MODEL, SessionOptions(), ttl_s)


def result(session_id: str, seq: int, pts_us: int | None = None) -> FrameResult:
    """Some answer."""
    return FrameResult(session_id, seq, pts_us, Outcome.OK, MODEL, "kinepose13", ())


@pytest.fixture
def clock() -> ManualClock:
    """Time under the test's control."""
    return ManualClock()


@pytest.fixture
def metrics() -> Metrics:
    """Counts of this test."""
    return Metrics()


@pytest.fixture
def store(clock: ManualClock, metrics: Metrics) -> InMemorySessions:
    """Room for three sessions."""
    return InMemorySessions(MOST, 100, metrics, clock)


async def test_idle_session_expires_and_is_told_from_an_unknown_one(
    store: InMemorySessions, clock: ManualClock
) -> None:
    """After its TTL a session is gone for a stated reason; one that never was is unknown."""
    await store.create("a", meta())
    clock.advance(TTL_S)
    with pytest.raises(SessionExpired, match="expired"):
        await store.checkout("a", 0)
    with pytest.raises(SessionUnknown):
        await store.checkout("b", 0)


async def test_held_session_does_not_expire(store: InMemorySessions, clock: ManualClock) -> None:
    """The idle clock stands still while a frame is queued, and starts anew after it."""
    await store.create("a", meta())
    await store.hold("a")
    clock.advance(100 * TTL_S)
    assert (await store.info("a")).expires_in_s == TTL_S
    await store.release("a")
    clock.advance(TTL_S - 1)
    assert (await store.info("a")).expires_in_s == pytest.approx(1)
    clock.advance(1)
    with pytest.raises(SessionExpired):
        await store.info("a")


async def test_looking_does_not_keep_a_session_alive(store: InMemorySessions, clock: ManualClock) -> None:
    """`info` leaves the idle clock alone."""
    await store.create("a", meta())
    clock.advance(TTL_S / 2)
    await store.info("a")
    clock.advance(TTL_S / 2)
    assert await store.sweep() == 0


async def test_full_store_refuses_and_evicts_nobody(store: InMemorySessions, clock: ManualClock) -> None:
    """At the cap a new session is refused, with the time at which the first may be gone."""
    for name in "abc":
        await store.create(name, meta())
    with pytest.raises(TooManySessions) as raised:
        await store.create("d", meta())
    assert raised.value.retry_after_ms is not None
    clock.advance(raised.value.retry_after_ms / 1000)
    await store.create("d", meta())
    assert await store.sweep() == 1


async def test_commit_of_an_earlier_life_is_stale(store: InMemorySessions, metrics: Metrics) -> None:
    """A frame checked out before its session was closed and created anew cannot write into the new one."""
    await store.create("a", meta())
    version = (await store.checkout("a", 0)).version
    await store.close("a")
    await store.create("a", meta())
    with pytest.raises(StaleCommit):
        await store.commit("a", version, None, result("a", 0))
    assert metrics.registry.get_sample_value("kinepose_state_cas_conflicts_total") == 1
    assert (await store.info("a")).next_seq == 0


async def test_second_commit_of_one_version_is_stale(store: InMemorySessions) -> None:
    """Of two that raced for a frame, one wins."""
    await store.create("a", meta())
    version = (await store.checkout("a", 0)).version
    await store.commit("a", version, None, result("a", 0))
    with pytest.raises(StaleCommit):
        await store.spend("a", version, result("a", 0))


async def test_id_in_use_is_refused(store: InMemorySessions) -> None:
    """A running session is not replaced by another of its name."""
    await store.create("a", meta())
    with pytest.raises(BadRequest, match="in use"):
        await store.create("a", meta())


async def test_ends_are_counted_by_reason(store: InMemorySessions, clock: ManualClock, metrics: Metrics) -> None:
    """Closed and expired sessions are counted apart."""
    await store.create("a", meta())
    await store.create("b", meta())
    await store.close("a")
    clock.advance(TTL_S)
    await store.sweep()
    sample = metrics.registry.get_sample_value
    assert sample("kinepose_sessions_closed_total", {"reason": "closed"}) == 1
    assert sample("kinepose_sessions_closed_total", {"reason": "expired"}) == 1
    assert sample("kinepose_sessions_active") == 0


async def test_memory_of_ended_sessions_is_bounded(clock: ManualClock, metrics: Metrics) -> None:
    """The oldest ended id is forgotten first, and then is unknown."""
    store = InMemorySessions(MOST, 1, metrics, clock)
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
