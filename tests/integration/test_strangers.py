"""What anybody may do before a key is asked for: connect, and not much more."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import httpx
import pytest
import websockets

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.processes.frontend import RunningServer
from tests.support.keys import Keys
from tests.support.raw import connected
from tests.support.server import AsyncStub, free_ports, grpc_status_and_error, opened, status_and_code
from tests.support.sockets import accepted_on, replied

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_connections_are_bounded_and_probes_come_through(weights: Path) -> None:
    """One more is told that the server is busy; those that say nothing go after a while, and there is room again."""
    async with RunningServer(free_ports(weights, max_connections=2, http_head_timeout_s=3)) as server:
        async with (
            connected(server.http_port, b"", b""),
            httpx.AsyncClient(base_url=server.http_url, timeout=60) as http,
        ):
            async with asyncio.timeout(60):
                while len(list(accepted_on(server.http_port))) < 2:
                    await replied("127.0.0.1", server.grpc_port, b"no HTTP/2 at all")  # a turn of the event loop
            refused = await http.get("/v1/models")
            assert status_and_code(refused) == (503, "server_busy")
            assert refused.headers["retry-after"] == "1"
            assert (await http.get("/healthz")).status_code == 200
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=server.http_url) as http:
            while (await http.get("/v1/models")).status_code != 200:
                pass


async def test_calls_are_bounded_over_all_transports(weights: Path) -> None:
    """One stream is all there may be: other calls are told to come back, on each transport in its own words."""
    async with RunningServer(free_ports(weights, limit_concurrency=1)) as server, AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.http_url, timeout=60))
        url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{await opened(http)}/stream"
        await stack.enter_async_context(websockets.connect(url))
        refused = await http.get("/v1/models")
        assert status_and_code(refused) == (503, "server_busy")
        assert refused.headers["retry-after"] == "1"
        with pytest.raises(websockets.InvalidStatus) as denied:
            await stack.enter_async_context(websockets.connect(url))
        assert denied.value.response.status_code == 503
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.grpc_target))
        stub: AsyncStub = PoseServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await stub.ListModels(pb.ListModelsRequest())
        code, error = grpc_status_and_error(caught.value)
        assert (code, error.code, error.retry_after_ms) == (grpc.StatusCode.UNAVAILABLE, "server_busy", 1000)
        assert (await http.get("/readyz")).status_code == 200


async def test_many_slow_heads_at_once_hold_nobody_up(weights: Path, keys: Keys) -> None:
    """Two hundred requests that never end: others are answered meanwhile, and each of them is hung up on."""
    settings = free_ports(weights, api_keys_file=keys.file, http_head_timeout_s=2)
    heads = [b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: "] * 200
    async with RunningServer(settings) as server, connected(server.http_port, *heads) as pairs:
        async with httpx.AsyncClient(base_url=server.http_url, headers=keys.header("robot"), timeout=60) as http:
            assert (await http.get("/v1/models")).status_code == 200
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(reader.read() for reader, _ in pairs))
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 35\r\n\r\n",
        b"Content-Length: 0, 35\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 0x0\r\n\r\n",
        b"Content-Length: 99999999999999999999999999\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0 ;\n\r\n",
        b"X: a\rContent-Length: 0\r\n\r\n",
        b"X: a\0b\r\n\r\n",
        b" Folded: first\r\n\r\n",
        b"Con tent-Length: 0\r\n\r\n",
        b": nameless\r\n\r\n",
    ],
)
async def test_no_request_hides_in_another(server: RunningServer, head: bytes) -> None:
    """Where two readers could disagree about a request's end, it is refused, and nothing after it is read."""
    answer = await replied("127.0.0.1", server.http_port, b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + head + SMUGGLED)
    # A body that breaks off while its request is at work ends the connection without another word.
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert not answer or (answer.startswith(b"HTTP/1.1 400 ") and b"connection: close" in answer)
