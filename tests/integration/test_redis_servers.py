"""Two frontends, two workers, one Redis: a session belongs to none of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.processes.frontend import RunningServer
from service.processes.worker import RunningWorker
from tests.support.redis_server import own_redis
from tests.support.server import free_ports, jpegs, opened, sent, status_and_code

FRAMES = 6


async def client(stack: AsyncExitStack, weights: Path, **settings: Any) -> httpx.AsyncClient:
    """A client of a new server."""
    server = await stack.enter_async_context(RunningServer(free_ports(weights, max_batch=1, **settings)))
    return await stack.enter_async_context(httpx.AsyncClient(base_url=server.http_url, timeout=60))


async def ready(*servers: httpx.AsyncClient) -> None:
    """Wait until they take frames."""
    async with asyncio.timeout(60):
        for server in servers:
            while (await server.get("/readyz")).status_code != 200:
                pass


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open in a test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.slow
async def test_servers_share_sessions_and_outlive_their_redis(stack: AsyncExitStack, weights: Path) -> None:
    """Frames in turn give the joints of an unbroken run; Redis gone is 503 with a time; back, all goes on."""
    redis = stack.enter_context(own_redis())
    shared = {"redis_url": redis.url, "redis_timeout_s": 1.0}
    redis.kill()
    servers = [await client(stack, weights, **shared) for _ in range(2)]
    for _ in range(2):
        await stack.enter_async_context(RunningWorker(free_ports(weights, max_batch=1, **shared)))
    unbroken = await client(stack, weights)
    pictures = jpegs(FRAMES)

    session = await opened(unbroken)
    expected = [(await sent(unbroken, session, picture, seq=seq)).json() for seq, picture in enumerate(pictures)]

    for server in servers:
        assert (await server.get("/readyz")).status_code == 503
        assert (await server.get("/healthz")).status_code == 200
        refused = await server.post("/v1/sessions", json={})
        assert status_and_code(refused) == (503, "store_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
    redis.start()
    await ready(*servers)

    session = await opened(servers[0])
    for seq, picture in enumerate(pictures):
        if seq == FRAMES // 2:
            redis.kill()
            for server in servers:
                assert status_and_code(await sent(server, session, picture, seq=seq)) == (503, "store_unavailable")
            redis.start()
            await ready(*servers)
        for server in (servers[seq % 2], servers[1 - seq % 2]):  # the second time, it is a replay
            answer = await sent(server, session, picture, seq=seq)
            assert answer.status_code == 200, answer.text
            assert answer.json()["people"] == expected[seq]["people"]
            assert answer.json()["lost"] == expected[seq]["lost"]
    assert (await servers[1].get("/readyz")).status_code == 200
    assert (await servers[0].delete(f"/v1/sessions/{session}")).status_code in (200, 204)
    assert status_and_code(await sent(servers[1], session, pictures[0], seq=FRAMES)) == (410, "session_expired")
