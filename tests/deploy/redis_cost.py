"""What sessions and frames cost a Redis: memory, its CPU, its append-only file. Prints a table; no test.

    .venv/bin/python -m tests.deploy.redis_cost [--sessions 300] [--rounds 6] [--picture-bytes 43000] [--at-once 8]

Starts a redis-server of its own without and with an append-only file, and a cluster: three masters with a replica each.
A session takes its frames as in the service: an entry in its shard's stream, read by the consumer group; one commit of
a whole state by a worker that has the last one; it acknowledges, and answers on a channel that is heard.
"""

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from redis.asyncio import Redis

from model.heatmaps import SIGMA
from model.state import SessionState, quantise
from service.config import Settings
from service.observability.metrics import Metrics
from service.pipeline.request import FrameRequest, Priority
from service.redis.client import RedisClient, connected
from service.redis.cluster import ClusterClient
from service.redis.codec import Origin, decode_request, encode_request
from service.redis.keys import GROUP, Keyspace
from service.redis.queue.executor import ReplyChannel
from service.redis.sessions.store import RedisSessions
from tests.support import stores
from tests.support.redis_nodes import own_cluster
from tests.support.redis_server import REDIS_SERVER
from training.losses.heatmap import gaussian_targets

JOINTS, SIDE = 13, 64
FRAMES_PER_S = 25
Figures = dict[str, float]


def full_state(seq: int) -> SessionState:
    """A state of about the size that kimnet leaves: a blob a map, on noise of a level or two."""
    random = np.random.default_rng(seq)
    places = torch.from_numpy(random.uniform(8, SIDE - 8, (JOINTS, 2)))
    maps = gaussian_targets(places, SIDE, SIGMA).numpy() + random.normal(0, 0.004, (JOINTS, SIDE, SIDE))
    state = stores.state(seq)
    return replace(state, tracks=(replace(state.tracks[0], q=quantise(maps), m=quantise(maps)),))


@contextmanager
def measured_redis(folder: Path, append_only: str) -> Iterator[str]:
    """A redis-server of its own on a Unix socket; its URL."""
    options = {"port": "0", "unixsocket": f"{folder}/redis.sock", "dir": str(folder), "save": ""}
    options |= {"appendonly": append_only, "appendfsync": "everysec", "auto-aof-rewrite-min-size": "64gb"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    process = subprocess.Popen([REDIS_SERVER, *arguments], stdout=subprocess.DEVNULL)
    try:
        while not (folder / "redis.sock").exists():
            time.sleep(0.02)
        yield f"unix://{folder}/redis.sock"
    finally:
        process.terminate()
        process.wait()


async def figures(servers: Sequence[Redis]) -> Figures:
    """Bytes, commands and seconds since the start, of all servers that keep data."""
    found: Figures = dict.fromkeys(("memory", "cpu", "copies", "file", "in", "out", "replicated"), 0.0)
    for server in servers:
        info = await server.info()
        found["memory"] += info["used_memory"]
        found["cpu" if info["role"] == "master" else "copies"] += info["used_cpu_user"] + info["used_cpu_sys"]
        found["file"] += info.get("aof_current_size", 0)
        if info["role"] == "master":
            found["in"] += info["total_net_input_bytes"]
            found["out"] += info["total_net_output_bytes"]
        found["replicated"] += info["total_net_repl_output_bytes"]
    return found | {"clock": time.monotonic()}


class Load:
    """Sessions, each with its next frame."""

    def __init__(self, client: RedisClient, arguments: argparse.Namespace) -> None:
        self._client = client
        self._keyspace = Keyspace("cost", 32)
        settings = Settings(
            redis_prefix="cost", redis_shards=32, max_sessions=arguments.sessions, hot_states=arguments.sessions
        )
        self._store = RedisSessions(client, settings, Metrics(), optimistic=True)
        self._replies = ReplyChannel(client, self._keyspace)
        self._picture = np.random.default_rng(0).bytes(arguments.picture_bytes)
        self._at_once = asyncio.Semaphore(arguments.at_once)
        self._ids = [f"session-{number:05d}" for number in range(arguments.sessions)]

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """The sessions are there, each held as a stream holds it, and answers are heard."""
        for shard in range(self._keyspace.shards):
            await self._client.xgroup_create(self._keyspace.stream(shard, Priority.LIVE), GROUP, mkstream=True)
        for name in self._ids:
            await self._store.create(name, stores.meta())
            await self._store.hold(name)
        listening = asyncio.create_task(self._replies.listen())
        while not self._replies.heard:  # noqa: ASYNC110 - a subscriber tells nobody
            await asyncio.sleep(0.01)
        yield
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    async def frame(self, name: str, seq: int, state: SessionState) -> None:
        """One frame of one session, from the stream to the answer."""
        shard = self._keyspace.shard_of(name)
        stream = self._keyspace.stream(shard, Priority.LIVE)
        with self._replies.expected() as reply:
            async with self._at_once:
                request = FrameRequest(name, seq, None, self._picture, (), "grpc")
                fields: Any = encode_request(request, reply.id, Origin(self._replies.channel(shard), "", None), 1000)
                await self._client.xadd(stream, fields)
                read: Any = await self._client.xreadgroup(GROUP, "cost", {stream: ">"}, count=1)
                [(_, [(entry, found)])] = read
                sent = decode_request(stream, entry, found).request
                assert sent.delivery is not None
                checkout = await self._store.checkout(sent.session_id, seq)
                result = stores.result(sent.session_id, seq)
                await self._store.commit(sent.session_id, checkout.version, state, result, sent.delivery)
            await reply.answer(30.0)

    async def round(self, seq: int) -> None:
        """A frame of each session."""
        state = full_state(seq)
        await asyncio.gather(*(self.frame(name, seq, state) for name in self._ids))


async def measure(url: str, ports: Sequence[int], arguments: argparse.Namespace) -> Figures:
    """Bytes, seconds of CPU and seconds of the clock for each frame; `memory` for each session."""
    async with connected(url, 30.0) as client, AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Redis(port=port)) for port in ports]
        if not isinstance(client, ClusterClient):
            servers = [client]
        load = Load(client, arguments)
        empty = await figures(servers)
        async with load.begun():
            await load.round(0)
            before = await figures(servers)
            for seq in range(1, arguments.rounds):
                await load.round(seq)
            after = await figures(servers)
    frames = arguments.sessions * (arguments.rounds - 1)
    spent = {name: (after[name] - before[name]) / frames for name in after}
    return spent | {"memory": (before["memory"] - empty["memory"]) / arguments.sessions}


def row(what: str, url: str, arguments: argparse.Namespace, ports: Sequence[int] = ()) -> str:
    """A row of the table; `ports` are those of all servers of a cluster."""
    spent = asyncio.run(measure(url, ports, arguments))
    kilobytes = "".join(f" {spent[name] / 1e3:.1f} |" for name in ("memory", "in", "out", "replicated", "file"))
    cpu = f"{1e3 * spent['cpu']:.3f} | {1e3 * spent['copies']:.3f} | {0.7 / spent['cpu'] / FRAMES_PER_S:.0f}"
    return f"| {what} |{kilobytes} {cpu} |"


def main() -> None:
    """Measure all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--picture-bytes", type=int, default=43_000)
    parser.add_argument(
        "--at-once", type=int, default=8, help="frames under way; more share Redis's round of its sockets"
    )
    parser.add_argument("--cluster", action="store_true", help="the cluster, too; sessions are those of one master")
    arguments = parser.parse_args()
    print("| | KB a session | a frame: KB in | out | to replicas | to the file | CPU ms | of replicas | at 70 % |")
    for append_only in ("no", "yes"):
        with tempfile.TemporaryDirectory() as folder, measured_redis(Path(folder), append_only) as url:
            print(row(f"append-only {append_only}", url, arguments), flush=True)
    if arguments.cluster:
        with own_cluster() as cluster:
            print(row("cluster", cluster.url, arguments, [node.port for node in cluster.nodes]))


if __name__ == "__main__":
    main()
