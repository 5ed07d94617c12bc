"""How long an answer takes that costs nothing, as a multiple of a bare socket's: `python -m bench.round_trip`.

What waits where nobody computes shows here: an acknowledgement delayed by 40 ms is a ratio of hundreds. All in one
process and one run, so that the ratios hold on any machine. Writes JSON.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import httpx
import websockets

from bench.machine import machine
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.config import Settings
from service.processes.frontend import RunningServer

Call = Callable[[], Awaitable[Any]]

QUESTION = b"x" * 100
NO_PICTURE = b"no picture"
WARM_UP = 20


@asynccontextmanager
async def bare_socket() -> AsyncIterator[Call]:
    """A call that sends a hundred bytes to a server of this loop, and gets them back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        async def call() -> None:
            writer.write(QUESTION)
            await reader.readexactly(len(QUESTION))

        yield call
        writer.close()


async def calls_of(server: RunningServer, stack: AsyncExitStack) -> dict[str, Call]:
    """A call that computes nothing, for each transport."""
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.http_url))
    session = (await http.post("/v1/sessions")).json()["session_id"]
    url = f"{server.http_url.replace('http', 'ws', 1)}/v1/sessions/{session}/stream"
    socket = await stack.enter_async_context(websockets.connect(url))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.grpc_target))
    stub = PoseServiceStub(channel)

    async def over_websocket() -> None:
        await socket.send(NO_PICTURE)
        await socket.recv()

    return {
        "http": lambda: http.get("/healthz"),
        "websocket": over_websocket,
        "grpc": lambda: stub.ListModels(pb.ListModelsRequest()),
    }


async def median_ms(call: Call, count: int) -> float:
    """Of so many calls, one after another."""
    for _ in range(WARM_UP):
        await call()
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


async def measure(settings: Settings, count: int) -> dict[str, Any]:
    """The report."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RunningServer(settings))
        calls = await calls_of(server, stack)
        bare = await median_ms(await stack.enter_async_context(bare_socket()), count)
        medians = {name: await median_ms(call, count) for name, call in calls.items()}
    return {
        "measures": "median of an answer that computes nothing, milliseconds, and its ratio to a bare socket's",
        "machine": machine(),
        "bare_socket_ms": bare,
        "transports": {name: {"ms": ms, "ratio": ms / bare} for name, ms in medians.items()},
    }


def main() -> None:
    """Measure and print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.round_trip", description=main.__doc__)
    parser.add_argument("--count", type=int, default=500, help="calls of each kind (default: 500)")
    settings = Settings.model_validate({"http_port": 0, "grpc_port": 0})
    print(json.dumps(asyncio.run(measure(settings, parser.parse_args().count)), indent=2))


if __name__ == "__main__":
    main()
