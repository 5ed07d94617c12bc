"""A session over frontends and workers that come and go: its frames are those of one run."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from service.contract.messages import FrameResult, SessionOptions
from service.errors import BadImage, KineposeError, SeqOutOfOrder, SessionExpired
from service.pipeline.pipeline import Pipeline
from tests.support.fleet import FakeWorker, Fleet, fleet
from tests.support.pipelines import eventually, frame, until, value_of
from tests.support.trackers import history

NAMES = st.sampled_from(["a", "b"])
FRONTENDS = st.integers(0, 1)
SHADES = st.integers(0, 199)


@dataclass
class Seen:
    """What a session got so far: the shades that were computed, and the last frame with its end."""

    shades: list[int] = field(default_factory=list)
    next_seq: int = 0
    last: FrameResult | type[KineposeError] | None = None


class Deployment(RuleBasedStateMachine):
    """Two frontends and at least one worker, used and killed at random; beside it, what one run would say."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.seen: dict[str, Seen] = {}
        self.fleet: Fleet = self.runner.run(self._begin(url))

    async def _begin(self, url: str) -> Fleet:
        deployment = await self.stack.enter_async_context(fleet(url, worker_lease_s=0.4))
        await deployment.frontend()
        for name in ("a", "b"):
            await self._create(deployment, name)
        return deployment

    async def _create(self, deployment: Fleet, name: str) -> None:
        await deployment.frontends[0].sessions.create(SessionOptions(), name)
        self.seen[name] = Seen()

    def teardown(self) -> None:
        try:
            assert self.runner.run(self.fleet.left()) == (0, 0)
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()

    async def _frontend(self, number: int) -> Pipeline:
        frontend = self.fleet.frontends[number]
        await eventually(frontend.lifecycle.ready)
        return frontend

    def _alive(self) -> list[FakeWorker]:
        return [worker for worker in self.fleet.workers if not worker.run.done()]

    def _computed(self, name: str, shade: int, result: FrameResult) -> None:
        seen = self.seen[name]
        seen.shades.append(shade)
        assert (result.session_id, result.seq) == (name, seen.next_seq)
        assert value_of(result) == history(seen.shades)
        seen.next_seq += 1
        seen.last = result

    @rule(name=NAMES, shade=SHADES, frontend=FRONTENDS)
    def send(self, name: str, shade: int, frontend: int) -> None:
        """The next frame."""
        self.runner.run(self._send(name, shade, frontend))

    async def _send(self, name: str, shade: int, frontend: int) -> None:
        sent = frame(self.seen[name].next_seq, shade, name)
        self._computed(name, shade, await (await self._frontend(frontend)).frames.estimate(sent))

    @rule(name=NAMES, frontend=FRONTENDS)
    def send_broken(self, name: str, frontend: int) -> None:
        """It is spent, and the state stays."""
        self.runner.run(self._send_broken(name, frontend))

    async def _send_broken(self, name: str, frontend: int) -> None:
        seen = self.seen[name]
        with pytest.raises(BadImage):
            await (await self._frontend(frontend)).frames.estimate(frame(seen.next_seq, session=name, image=b"x"))
        seen.next_seq += 1
        seen.last = BadImage

    @rule(name=NAMES, frontend=FRONTENDS)
    def send_again(self, name: str, frontend: int) -> None:
        """The last frame, with another picture: the stored answer."""
        self.runner.run(self._send_again(name, frontend))

    async def _send_again(self, name: str, frontend: int) -> None:
        seen = self.seen[name]
        again = frame(seen.next_seq - 1, 7, name)
        if isinstance(seen.last, FrameResult):
            assert value_of(await (await self._frontend(frontend)).frames.estimate(again)) == value_of(seen.last)
        elif seen.last is not None:
            with pytest.raises(seen.last):
                await (await self._frontend(frontend)).frames.estimate(again)

    @rule(name=NAMES, frontend=FRONTENDS, ahead=st.integers(1, 3))
    def send_with_a_gap(self, name: str, frontend: int, ahead: int) -> None:
        """The error says which seq is next."""
        self.runner.run(self._send_with_a_gap(name, frontend, ahead))

    async def _send_with_a_gap(self, name: str, frontend: int, ahead: int) -> None:
        chosen = await self._frontend(frontend)
        with pytest.raises(SeqOutOfOrder) as raised:
            await chosen.frames.estimate(frame(self.seen[name].next_seq + ahead, session=name))
        assert raised.value.expected_seq == self.seen[name].next_seq

    @rule(name=NAMES, shade=SHADES, frontend=FRONTENDS)
    def kill_the_worker_that_has_a_frame(self, name: str, shade: int, frontend: int) -> None:
        """Another one, begun then if there is none, goes on with it."""
        self.runner.run(self._kill_in_the_middle(name, shade, frontend))

    async def _kill_in_the_middle(self, name: str, shade: int, frontend: int) -> None:
        chosen = await self._frontend(frontend)
        for worker in self._alive():
            worker.tracker.hold()
        sent = asyncio.create_task(chosen.frames.estimate(frame(self.seen[name].next_seq, shade, name)))
        await until(lambda: any(worker.consumer.frames.at_work for worker in self._alive()))
        busy = [worker for worker in self._alive() if worker.consumer.frames.at_work]
        for worker in self._alive():
            if worker is not busy[0]:
                worker.tracker.let_go()
        await busy[0].kill()
        if not self._alive():
            await self.fleet.worker()
        self._computed(name, shade, await sent)

    @rule()
    def start_a_worker(self) -> None:
        """Shards, and so sessions, change their owners."""
        if len(self._alive()) < 3:
            self.runner.run(self.fleet.worker())

    @rule()
    def stop_a_worker(self) -> None:
        """As an orchestrator does, after another one has begun."""
        if len(self._alive()) > 1:
            assert self.runner.run(self._alive()[0].stop())

    @rule(name=NAMES, frontend=FRONTENDS)
    def expire(self, name: str, frontend: int) -> None:
        """Its next frame gets that error; a session of the same name begins from nothing."""
        self.runner.run(self._expire(name, frontend))

    async def _expire(self, name: str, frontend: int) -> None:
        chosen = await self._frontend(frontend)
        await self.fleet.client.delete(self.fleet.keyspace.session(name).session)
        with pytest.raises(SessionExpired):
            await chosen.frames.estimate(frame(self.seen[name].next_seq, session=name))
        await self._create(self.fleet, name)

    @rule(name=NAMES, frontend=FRONTENDS)
    def close(self, name: str, frontend: int) -> None:
        """And begin anew."""
        self.runner.run(self._close(name, frontend))

    async def _close(self, name: str, frontend: int) -> None:
        await (await self._frontend(frontend)).sessions.close(name)
        await self._create(self.fleet, name)


@pytest.mark.slow
def test_a_session_is_one_run_whatever_happens_to_its_processes(redis_url: str) -> None:
    """Frames, replays, gaps, broken pictures, expiry, killed workers, workers that come and go, frontends in turn."""

    class Here(Deployment):
        def __init__(self) -> None:
            super().__init__(redis_url)

    run_state_machine_as_test(Here, settings=settings(max_examples=12, stateful_step_count=12, deadline=None))
