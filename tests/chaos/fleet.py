"""The deployment that is disturbed: Redis, frontends, workers; and the hand that disturbs it."""

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.moments import frames_at_work
from tests.chaos.plan import PAUSE_S, REDIS_KINDS, WORKER_KINDS, Disturbance, Kind, Shape
from tests.chaos.processes import FRONTEND_READY, LOOK_EVERY_S, WORKER_READY, Place, service_recipe
from tests.chaos.store import Store, cluster_store, single_store
from tests.support.jumping_clock import Jump, jumping_clock

log = logging.getLogger("chaos.plan")

GRACE_S = 15.0
HOLD_LEASE_S = 5.0
UP_TIMEOUT_S = 240.0

SIGNALS = {
    Kind.KILL_WORKER: signal.SIGKILL,
    Kind.STOP_WORKER: signal.SIGTERM,
    Kind.KILL_FRONTEND: signal.SIGKILL,
    Kind.STOP_FRONTEND: signal.SIGTERM,
    Kind.KILL_REDIS: signal.SIGKILL,
    Kind.STOP_REDIS: signal.SIGTERM,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a frontend listens, and the key to say there, if keys are asked for."""

    http_url: str
    grpc_target: str
    api_key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What an HTTP call there carries."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


class Fleet:
    """All processes of a run.

    Attributes:
        done: how many disturbances of each kind came about.
        redis: where its Redis is, and which of its servers is to be struck.
        jump: lets the clock of Redis jump, where it can.
    """

    def __init__(self, redis: Store, frontends: list[Place], workers: list[Place], api_key: str | None) -> None:
        self.jump: Jump = _no_jump
        self._api_key = api_key
        self.done: Counter[Kind] = Counter()
        self.redis = redis
        self._frontends = frontends
        self._workers = workers
        self._redis_free = asyncio.Lock()
        self._workers_free = asyncio.Lock()

    @property
    def places(self) -> list[Place]:
        """Redis first."""
        return [*self.redis.places, *self._workers, *self._frontends]

    @property
    def counting(self) -> list[Place]:
        """Those with /metrics."""
        return [*self._workers, *self._frontends]

    @property
    def stop_s(self) -> list[float]:
        """How long each frontend and worker took to end after SIGTERM, seconds."""
        return [seconds for place in self.counting for seconds in place.stop_s]

    @property
    def faults(self) -> list[str]:
        """What processes did that they must not do."""
        return [fault for place in self.places for fault in place.faults]

    @property
    def crashes(self) -> int:
        """How many workers ended by a picture that is made for that."""
        return sum(place.crashes for place in self._workers)

    def addresses(self) -> list[Address]:
        """Frontends that are up, as a name service tells them: one that was just killed may still be among them."""
        found = [place.addresses for place in self._frontends if place.up.is_set()]
        return [Address(one["http"], one["grpc"], self._api_key) for one in found]

    async def all_up(self) -> None:
        """Wait until every place has a process that is ready. TimeoutError where one does not get there."""
        async with asyncio.timeout(UP_TIMEOUT_S):
            for place in self.redis.places:
                await place.up.wait()
            await self.redis.whole()
            for place in self.counting:
                await place.up.wait()

    async def close(self) -> None:
        """End all in order: frontends, then what they need."""
        for places in (self._frontends, self._workers, self.redis.places):
            await asyncio.gather(*(place.close() for place in places))

    async def disturb(
        self, plan: Sequence[Disturbance], drop: Callable[[int], None], poison: Callable[[int], Awaitable[None]]
    ) -> None:
        """Carry the plan out; `drop` cuts a stream's connection, `poison` its next frame. Ends when all are over."""
        begin = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for disturbance in plan:
                await asyncio.sleep(begin + disturbance.at_s - time.monotonic())
                tasks.create_task(self._carry_out(disturbance, drop, poison))

    async def _carry_out(
        self, disturbance: Disturbance, drop: Callable[[int], None], poison: Callable[[int], Awaitable[None]]
    ) -> None:
        if disturbance.kind is Kind.POISON:
            # A worker that is killed beside what another one left ends a second one by it, as far as anybody can see.
            async with self._workers_free:
                for stream in disturbance.streams:
                    await poison(stream)
        elif disturbance.kind is Kind.DROP_CLIENTS:
            for stream in disturbance.streams:
                drop(stream)
        elif disturbance.kind is Kind.JUMP_CLOCK:
            self.jump(disturbance.jump_s)
        elif disturbance.kind in REDIS_KINDS:
            async with self._redis_free:
                await self.redis.whole()
                await _disturb_one([await self.redis.victim()], self.redis.harder(disturbance))
        elif disturbance.kind in WORKER_KINDS:
            async with self._workers_free:
                await frames_at_work(self.redis)
                await _disturb_one(self._workers, disturbance)
        else:
            await _disturb_one(self._frontends, disturbance)
        log.info("done: %s", disturbance)
        self.done[disturbance.kind] += 1


async def _disturb_one(places: Sequence[Place], disturbance: Disturbance) -> None:
    """End or freeze the process meant, or the next one where that is away; where all are, the first that is back."""
    first = disturbance.target
    while True:
        for place in (*places[first:], *places[:first]):
            if await _disturbed(place, disturbance):
                return
        await asyncio.sleep(LOOK_EVERY_S)


async def _disturbed(place: Place, disturbance: Disturbance) -> bool:
    if disturbance.kind in PAUSE_S:
        return await place.pause(disturbance.away_s)
    return await place.end(SIGNALS[disturbance.kind], disturbance.away_s)


@asynccontextmanager
async def running_fleet(
    shape: Shape,
    folder: Path,
    settings: Mapping[str, str],
    *,
    appendfsync: str = "always",
    cluster: bool = False,
    api_key: str | None = None,
    clock_jumps: bool = False,
) -> AsyncIterator[Fleet]:
    """A fleet that is up. Leaving ends its processes: in order with SIGTERM, or at once after an exception.

    folder: holds a log a process (`worker-0.1.log` is the second process of the first worker's place) and Redis's file.
    settings: of frontends and workers alike, by name.
    cluster: three masters and a replica each, in place of one Redis.
    api_key: an operator's, where the settings ask for keys.
    clock_jumps: whether Redis's clock can jump, which takes a C compiler.
    """
    data = folder / "redis"
    data.mkdir(parents=True)
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        jump: Jump = _no_jump
        if clock_jumps:
            environment, jump = stack.enter_context(jumping_clock())
        of_kind = cluster_store if cluster else single_store
        fleet = _made(shape, folder, settings, of_kind(folder, data, appendfsync, environment), api_key)
        fleet.jump = jump
        async with _kept(fleet):
            yield fleet


@asynccontextmanager
async def _kept(fleet: Fleet) -> AsyncIterator[None]:
    keepers = [asyncio.create_task(place.keep(), name=place.name) for place in fleet.places]
    try:
        await fleet.all_up()
        yield
        await fleet.close()
    finally:
        for place in fleet.places:
            place.kill()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


def _no_jump(seconds: float) -> None:
    raise NotImplementedError(f"this Redis's clock cannot jump by {seconds} s")


def _made(shape: Shape, folder: Path, settings: Mapping[str, str], store: Store, api_key: str | None) -> Fleet:
    shared = {"redis_url": store.url, "hold_lease_s": str(HOLD_LEASE_S), **store.settings, **settings}
    frontend = service_recipe("serve", FRONTEND_READY, shared, GRACE_S)
    worker = service_recipe("worker", WORKER_READY, shared, GRACE_S)
    return Fleet(
        store,
        [Place(f"frontend-{number}", frontend, folder) for number in range(shape.frontends)],
        [Place(f"worker-{number}", worker, folder) for number in range(shape.workers)],
        api_key,
    )
