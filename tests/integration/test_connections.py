"""What holds of connections, whatever is spoken over them."""

from pathlib import Path

import grpc
import httpx
import pytest
import websockets

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.auth.api_keys import Caller, KeyRing
from service.processes.frontend import RunningServer
from tests.support.keys import Keys
from tests.support.server import AsyncStub, each, free_ports, jpegs, opened
from tests.support.sockets import replied, without_delay

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_no_transport_delays_what_it_sends(server: RunningServer, http: httpx.AsyncClient) -> None:
    """TCP_NODELAY is set on what is accepted, for HTTP, WebSocket and gRPC."""
    session_id = await opened(http)
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{session_id}/stream"
    async with websockets.connect(url), grpc.aio.insecure_channel(server.grpc_target) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        await stub.ListModels(pb.ListModelsRequest())
        over_http, over_grpc = without_delay(server.http_port), without_delay(server.grpc_port)
    assert len(over_http) >= 2
    assert len(over_grpc) >= 1
    assert all(over_http + over_grpc)


async def test_a_key_is_asked_for_before_the_body(guarded: RunningServer) -> None:
    """A clip is announced and never sent: the refusal does not wait for it."""
    head = b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n"
    answer = await replied("127.0.0.1", guarded.http_port, head)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_key_is_looked_up_once_a_call(
    guarded: RunningServer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over gRPC as over HTTP: unary calls and streams."""
    asked: list[str | None] = []
    real = KeyRing.caller

    def counted(ring: KeyRing, said: str | None) -> Caller:
        asked.append(said)
        return real(ring, said)

    monkeypatch.setattr(KeyRing, "caller", counted)
    name = next(iter(keys.by_name))
    async with grpc.aio.insecure_channel(guarded.grpc_target) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        session = await stub.CreateSession(pb.CreateSessionRequest(), metadata=keys.metadata(name))
        assert len(asked) == 1
        frames = each([pb.Frame(session_id=session.session_id, image=image) for image in jpegs(2)])
        results = [result async for result in stub.StreamPose(frames, metadata=keys.metadata(name))]
        await stub.CloseSession(pb.CloseSessionRequest(session_id=session.session_id), metadata=keys.metadata(name))
    assert [result.seq for result in results] == [0, 1]
    assert len(asked) == 3


async def test_a_server_runs_on_ipv6_alone(weights: Path) -> None:
    """HTTP and gRPC, under the address that it tells."""
    async with RunningServer(free_ports(weights, host="::1")) as server:
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
            session_id = await opened(http)
        async with grpc.aio.insecure_channel(server.grpc_target) as channel:
            stub: AsyncStub = PoseServiceStub(channel)
            result = await stub.EstimateFrame(
                pb.Frame(session_id=session_id, image=jpegs(1)[0], region=pb.Region(x=5, y=5, w=40, h=50))
            )
    assert server.grpc_target == f"[::1]:{server.grpc_port}"
    assert result.people[0].joints


async def test_a_server_runs_under_a_prefix(weights: Path) -> None:
    """Probes, Location, the client and the document know it; the key is asked for behind it as well."""
    settings = free_ports(weights, http_path_prefix="/a/b")
    async with RunningServer(settings) as server, httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
        location = (await http.post("/a/b/v1/sessions")).headers["location"]
        assert location.startswith("/a/b/v1/sessions/")
        assert (await http.get(location)).status_code == 200
        assert (await http.get("/a/b/readyz")).status_code == (await http.get("/readyz")).status_code == 200
        assert (await http.get("/a/b/openapi.json")).json()["servers"] == [{"url": "/a/b"}]
