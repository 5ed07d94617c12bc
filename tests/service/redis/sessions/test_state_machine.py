"""RedisSessions and InMemorySessions, given the same calls, give the same answers."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from service.errors import KineposeError
from service.sessions.store import Checkout, SessionHead, SessionStore
from tests.support.stores import TTL_S, KeptInMemory, kept_in_redis, meta, result, same, state

MOST = 2
NAMES = st.sampled_from(["a", "b", "c"])
SLACK_S = TTL_S / 20
"""Of the time that goes by in Redis while a test runs. No sum of waits comes so close to a TTL from below."""

Call = Callable[[SessionStore], Coroutine[Any, Any, Any]]


class Twins(RuleBasedStateMachine):
    """Two stores of the same sessions in Redis, used at random, and one in memory."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.memory = KeptInMemory(MOST)
        self.redis = self.runner.run(self.stack.enter_async_context(kept_in_redis(url, MOST)))
        self.processes = [self.redis, self.redis.another()]
        self.versions: dict[str, list[tuple[Any, Any]]] = {}
        self.written = 0

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def both(self, call: Call, process: int = 0) -> tuple[Any, Any]:
        """What the two say, errors included; alike in all that a caller may see."""
        answers = (self.said(call, self.memory.store), self.said(call, self.processes[process].store))
        assert alike(*answers), answers
        return answers

    def said(self, call: Call, store: SessionStore) -> Any:
        """An answer, or an error as a value."""
        try:
            return self.runner.run(call(store))
        except KineposeError as error:
            return error

    @rule(name=NAMES, process=st.integers(0, 1))
    def create(self, name: str, process: int) -> None:
        self.both(lambda store: store.create(name, meta()), process)

    @rule(name=NAMES, process=st.integers(0, 1))
    def close(self, name: str, process: int) -> None:
        self.both(lambda store: store.close(name), process)

    @rule(name=NAMES, process=st.integers(0, 1))
    def hold(self, name: str, process: int) -> None:
        self.both(lambda store: store.hold(name), process)

    @rule(name=NAMES, process=st.integers(0, 1))
    def release(self, name: str, process: int) -> None:
        self.both(lambda store: store.release(name), process)

    @rule(name=NAMES, offset=st.integers(-2, 1), process=st.integers(0, 1))
    def checkout(self, name: str, offset: int, process: int) -> None:
        """Offset 0 is the next frame, -1 the last one again, any other one is out of order."""
        self._checkout(name, offset, process)

    @rule(name=NAMES, order=st.lists(st.integers(0, 1), max_size=3))
    def frames(self, name: str, order: list[int]) -> None:
        """One after the other, each by one of the processes."""
        for process in order:
            if self._checkout(name, 0, process):
                self._write(name, 0, "state", None, process)

    def _checkout(self, name: str, offset: int, process: int) -> bool:
        head = self.said(lambda store: store.info(name), self.memory.store)
        seq = offset + (head.next_seq if isinstance(head, SessionHead) else 0)
        found = self.both(lambda store: store.checkout(name, seq), process)
        if isinstance(found[0], Checkout):
            self.versions.setdefault(name, []).append((found[0].version, found[1].version))
        return isinstance(found[0], Checkout)

    @rule(
        name=NAMES,
        age=st.integers(0, 2),
        kind=st.sampled_from(["state", "none", "spend"]),
        pts_us=st.none() | st.integers(-(2**63), 2**63 - 1),
        process=st.integers(0, 1),
    )
    def write(self, name: str, age: int, kind: str, pts_us: int | None, process: int) -> None:
        """With a version that was checked out lately, or a while ago."""
        if len(self.versions.get(name, [])) > age:
            self._write(name, age, kind, pts_us, process)

    def _write(self, name: str, age: int, kind: str, pts_us: int | None, process: int) -> None:
        known = self.versions[name]
        versions = dict(zip((self.memory.store, self.processes[process].store), known[-1 - age], strict=True))
        self.written += 1
        left = state(self.written)

        async def write(store: SessionStore) -> None:
            version = versions[store]
            answer = result(name, version.seq, pts_us)
            if kind == "spend":
                await store.spend(name, version, answer)
            else:
                await store.commit(name, version, left if kind == "state" else None, answer)

        self.both(write, process)

    @rule(share=st.sampled_from([0.2, 0.5, 0.9]))
    def wait(self, share: float) -> None:
        for kept in (self.memory, self.redis):
            self.runner.run(kept.elapse(share * TTL_S))

    @invariant()
    def count_the_same_sessions(self) -> None:
        self.both(lambda store: store.sweep())


def alike(memory: Any, redis: Any) -> bool:
    """True where two answers differ in nothing but an epoch, and a time by less than what a test takes."""
    if isinstance(memory, KineposeError):
        return type(memory) is type(redis) and same(members(memory), members(redis))
    if isinstance(memory, SessionHead):
        near = abs(memory.expires_in_s - redis.expires_in_s) < SLACK_S
        return near and same(replace(memory, expires_in_s=0), replace(redis, expires_in_s=0))
    if isinstance(memory, Checkout):
        return (
            same(memory.state, redis.state)
            and same(memory.replay, redis.replay)
            and same(memory.meta, redis.meta)
            and memory.version.seq == redis.version.seq
        )
    return bool(memory == redis)


def members(error: KineposeError) -> tuple[Any, ...]:
    """What an error says, but for the time at which to try again."""
    return error.detail, error.session_id, error.seq, error.expected_seq


@pytest.mark.slow
def test_redis_and_memory_answer_alike(redis_url: str) -> None:
    """Frames, replays, gaps, holds, expiry, closes and late commits, in any order, by two processes."""

    class Here(Twins):
        def __init__(self) -> None:
            super().__init__(redis_url)

    run_state_machine_as_test(Here, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
