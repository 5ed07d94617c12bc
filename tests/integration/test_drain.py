"""SIGTERM: not ready any more, what was accepted comes to its end, exit code 0."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
import websockets
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, free_ports, status_and_code

SERVE = """
import asyncio, logging, sys
from service.processes.frontend import serve
from service.config import Settings
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
asyncio.run(serve(Settings(http_port=0, grpc_port=0, max_batch=1, drain_grace_s=300)))
"""
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def process(weights: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """A server in a process of its own, its HTTP URL and its gRPC target."""
    env = {**os.environ, "KINEPOSE_WEIGHTS_DIR": str(weights)}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    try:
        log = b""
        async for line in running.stdout:
            log += line
            if line.startswith(b"ready: "):
                words = line.decode().replace(",", "").split()
                yield running, words[3], words[6]
                break
        else:
            pytest.fail(f"the server ended:\n{log.decode()}")
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_sigterm_finishes_what_was_accepted(tmp_path: Path, weights: Path) -> None:
    """A clip at work is answered to its last frame while probes and new clients are turned away."""
    pictures = [smooth_picture(*SIZE, seed=seed % 7) for seed in range(40)]
    clip = make_clip(tmp_path / "long.mp4", pictures=pictures).read_bytes()
    async with (
        process(weights) as (server, url, target),
        httpx.AsyncClient(base_url=url, timeout=300) as http,
        grpc.aio.insecure_channel(target) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        headers = {"Accept": "application/x-ndjson"}
        async with http.stream("POST", "/v1/clips", content=clip, headers=headers) as answer:
            lines = answer.aiter_lines()
            first = json.loads(await anext(lines))
            server.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                while (ready := await http.get("/readyz")).status_code == 200:
                    pass
            refused = await http.post("/v1/sessions")
            checked = await health.Check(health_pb2.HealthCheckRequest())
            rest = [json.loads(line) async for line in lines]
        code = await server.wait()

    assert status_and_code(ready) == (503, "draining")
    assert status_and_code(refused) == (503, "draining")
    assert "retry-after" in refused.headers
    assert checked.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert first["seq"] == 0
    assert rest[-1]["clip"]["frames_emitted"] == len(rest) == 40
    assert code == 0


async def test_a_handshake_that_waits_is_told_of_the_drain(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebSocket whose session is still being looked up when the server stops: 503 and its code, never 500."""
    asked = asyncio.Event()

    async def never(session_id: str, caller: object) -> object:
        asked.set()
        return await asyncio.Event().wait()

    async with RunningServer(free_ports(weights)) as server:
        monkeypatch.setattr(server.services.pipeline.sessions, "info", never)
        url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{'0' * 32}/stream"
        handshake = asyncio.create_task(websockets.connect(url).__aenter__())
        await asked.wait()
        await server.drain()
        with pytest.raises(websockets.InvalidStatus) as caught:
            await handshake
    assert caught.value.response.status_code == 503
    assert json.loads(caught.value.response.body or b"")["code"] == "draining"
