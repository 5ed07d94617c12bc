"""Redis as a run has it: one server, or a cluster of which always a master is struck."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from redis.asyncio import Redis

from tests.chaos.plan import Disturbance, Kind
from tests.chaos.processes import LOOK_EVERY_S, Place, redis_recipe
from tests.support.redis_nodes import MASTERS, NODE_TIMEOUT_MS, form_cluster, is_whole, masters_of

BELOW_EPHEMERAL = (20_000, 30_000)
"""Ports that no outgoing connection gets by chance while Redis is away."""
LONGER_S = 2.5
"""Beyond its time a master of a cluster stays away: longer than it takes a replica to follow it."""


@dataclass
class Store:
    """One Redis.

    Attributes:
        url: for the service.
        places: of its servers.
        settings: of the service, by name.
    """

    url: str
    places: list[Place]
    settings: Mapping[str, str] = field(default_factory=dict)

    async def whole(self) -> None:
        """Wait until nothing is missing."""

    async def victim(self) -> Place:
        """The server that is struck next."""
        return self.places[0]

    def harder(self, disturbance: Disturbance) -> Disturbance:
        """What happens to it."""
        return disturbance

    @asynccontextmanager
    async def servers(self) -> AsyncIterator[list[Redis]]:
        """Clients of all that have keys which no other has."""
        async with Redis.from_url(self.url) as redis:
            yield [redis]


@dataclass
class Cluster(Store):
    """A cluster that is made of its servers when they first answer; each of its masters is struck in turn."""

    ports: list[int] = field(default_factory=list)
    _made: bool = False
    _struck: int = 0

    async def whole(self) -> None:
        """See Store: every slot has a master, and every master a replica that has all it has."""
        if not self._made:
            await asyncio.to_thread(form_cluster, self.ports, [port + 1 for port in self.ports])
            self._made = True
        while not await asyncio.to_thread(is_whole, self.ports):  # noqa: ASYNC110 - servers tell nobody
            await asyncio.sleep(LOOK_EVERY_S)

    async def victim(self) -> Place:
        """See Store: a master."""
        masters = await asyncio.to_thread(masters_of, self.ports)
        self._struck += 1
        return self.places[self.ports.index(masters[self._struck % len(masters)])]

    def harder(self, disturbance: Disturbance) -> Disturbance:
        """See Store: for so long that its replica takes its place."""
        if disturbance.kind is Kind.PAUSE_REDIS:
            return disturbance
        return replace(disturbance, away_s=disturbance.away_s + LONGER_S)

    @asynccontextmanager
    async def servers(self) -> AsyncIterator[list[Redis]]:
        """See Store."""
        async with AsyncExitStack() as stack:
            masters = await asyncio.to_thread(masters_of, self.ports)
            yield [await stack.enter_async_context(Redis(port=port)) for port in masters]


def single_store(folder: Path, data: Path, appendfsync: str, env: Mapping[str, str]) -> Store:
    """One Redis that keeps its file in `data`; `env` is of its process."""
    port = _free_port()
    return Store(f"redis://127.0.0.1:{port}/0", [Place("redis", redis_recipe(port, data, appendfsync, env), folder)])


def cluster_store(folder: Path, data: Path, appendfsync: str, env: Mapping[str, str]) -> Store:
    """Six of them, files and all; answers wait until a replica has them."""
    places, ports = [], []
    for number in range(2 * MASTERS):
        port = _free_port()
        ports.append(port)
        (data / str(number)).mkdir()
        more = {
            "cluster-enabled": "yes",
            "cluster-port": str(port + 1),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-require-full-coverage": "no",
            "repl-diskless-sync-delay": "0",
        }
        places.append(Place(f"redis-{number}", redis_recipe(port, data / str(number), appendfsync, env, more), folder))
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
    return Cluster(url, places, {"redis_wait_replicas": "1"}, ports)


def _free_port() -> int:
    """One whose successor is free, too: a cluster's nodes speak to each other there."""
    while True:
        port = random.randint(*BELOW_EPHEMERAL)  # seeded runs share a machine: another one may have this port
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
