"""What sessions and frames cost a Redis: memory, its CPU, its append-only file. Prints a table; no test.

    .venv/bin/python -m tests.deploy.redis_cost [--sessions 300] [--rounds 6] [--picture-bytes 25000]

Starts a redis-server of its own with and without an append-only file, and lets each session take its frames as the
service does: into a stream, read by the consumer group, then one commit of a whole state that acknowledges and answers.
"""

import argparse
import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from service.pipeline.request import Priority
from service.redis.client import connected
from service.redis.keys import GROUP, Keyspace
from service.redis.queue.consumer_group import queue_scripts
from service.redis.sessions.store import RedisSessions
from service.sessions.store import Delivery, Version
from tests.support import stores
from training.losses.heatmap import gaussian_targets

JOINTS, SIDE = 13, 64
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
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    try:
        while not (folder / "redis.sock").exists():
            time.sleep(0.02)
        yield f"unix://{folder}/redis.sock"
    finally:
        process.terminate()
        process.wait()


async def figures(client: Redis) -> Figures:
    """Bytes and seconds since its start."""
    found = await client.info()
    return {
        "memory": found["used_memory"],
        "cpu": found["used_cpu_user"] + found["used_cpu_sys"],
        "file": found.get("aof_current_size", 0),
        "in": found["total_net_input_bytes"],
        "out": found["total_net_output_bytes"],
        "clock": time.monotonic(),
    }


class Load:
    """Sessions, each with its next version."""

    def __init__(self, client: Redis, sessions: int, picture: bytes) -> None:
        self._client = client
        self._keyspace = Keyspace("cost", 32)
        settings = Settings(redis_prefix="cost", redis_shards=32, max_sessions=sessions)
        self._store = RedisSessions(client, settings, Metrics())
        self._submit = queue_scripts(client)
        self._picture = picture
        self._versions: dict[str, Version] = {}
        self._ids = [f"session-{number:05d}" for number in range(sessions)]

    async def begin(self) -> None:
        """Create the sessions, each held as a stream holds it, and the streams."""
        for shard in range(self._keyspace.shards):
            await self._client.xgroup_create(self._keyspace.stream(shard, Priority.LIVE), GROUP, mkstream=True)
        for name in self._ids:
            await self._store.create(name, stores.meta())
            await self._store.hold(name)

    async def frame(self, name: str, seq: int, state: SessionState) -> None:
        """One frame of one session, from the stream to the commit."""
        stream = self._keyspace.stream(self._keyspace.shard_of(name), Priority.LIVE)
        await self._submit.run("submit", (stream,), 256, b"{}" * 150, self._picture)
        read: Any = await self._client.xreadgroup(GROUP, "cost", {stream: ">"}, count=1)
        [(_, [(entry, _)])] = read
        checkout = await self._store.checkout(name, seq)
        delivery = Delivery(stream, GROUP, entry, b"cost:answers", bytes(16), bytes(17))
        await self._store.commit(name, checkout.version, state, stores.result(name, seq), delivery)

    async def round(self, seq: int) -> None:
        """A frame of each session."""
        state = full_state(seq)
        for name in self._ids:
            await self.frame(name, seq, state)


async def measure(url: str, arguments: argparse.Namespace) -> Figures:
    """Bytes, seconds of CPU and seconds of the clock for each frame; `memory` for each session."""
    async with connected(url, 30.0) as client:
        load = Load(client, arguments.sessions, np.random.default_rng(0).bytes(arguments.picture_bytes))
        empty = await figures(client)
        await load.begin()
        await load.round(0)
        before = await figures(client)
        for seq in range(1, arguments.rounds):
            await load.round(seq)
        after = await figures(client)
    frames = arguments.sessions * (arguments.rounds - 1)
    spent = {name: (after[name] - before[name]) / frames for name in after}
    return spent | {"memory": (before["memory"] - empty["memory"]) / arguments.sessions}


def row(append_only: str, arguments: argparse.Namespace) -> str:
    """A row of the table."""
    folder = Path(tempfile.mkdtemp())
    try:
        with measured_redis(folder, append_only) as url:
            spent = asyncio.run(measure(url, arguments))
    finally:
        shutil.rmtree(folder)
    kilobytes = "".join(f" {spent[name] / 1e3:.1f} |" for name in ("memory", "in", "out", "file"))
    return f"| {append_only} |{kilobytes} {1e3 * spent['cpu']:.3f} | {1e3 * spent['clock']:.2f} |"


def main() -> None:
    """Measure with and without the append-only file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--picture-bytes", type=int, default=25_000)
    arguments = parser.parse_args()
    print("| append-only | KB a session | a frame: KB in | KB out | KB to the file | CPU ms | ms one after the other |")
    for append_only in ("no", "yes"):
        print(row(append_only, arguments))


if __name__ == "__main__":
    main()
