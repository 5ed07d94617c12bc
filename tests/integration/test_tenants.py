"""One API key does not take what another one needs: places, turns, results, sessions, calls, threads."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
import websockets

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.media.readers import Drawing
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.keys import Keys, make_keys
from tests.support.raw import connected, post
from tests.support.server import AsyncStub, chunks, each, free_ports, grpc_status_and_error, jpegs, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Two keys without limits of their own, and one that may have more sessions than others."""
    return make_keys(tmp_path_factory.mktemp("tenants") / "keys.json", robot={}, drone={}, fleet={"max_sessions": 4})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(weights: Path, tenants: Keys) -> AsyncIterator[RunningServer]:
    """A server with room for little."""
    settings = free_ports(
        weights,
        api_keys_file=tenants.file,
        max_uploads_per_key=2,
        max_clip_jobs=4,
        max_clip_jobs_per_key=2,
        max_running_clips=2,
        max_running_clips_per_key=2,
        max_clip_results_per_key=2,
        max_sessions_per_key=2,
        max_calls_per_key=4,
    )
    async with RunningServer(settings) as server:
        yield server


def client_of(server: RunningServer, keys: Keys, name: str) -> httpx.AsyncClient:
    """An HTTP client with that key."""
    return httpx.AsyncClient(base_url=server.http_url, timeout=120, headers=keys.header(name))


@pytest_asyncio.fixture(loop_scope="session")
async def clients(shared: RunningServer, tenants: Keys) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Of robot and of drone."""
    async with client_of(shared, tenants, "robot") as robot, client_of(shared, tenants, "drone") as drone:
        yield [robot, drone]


async def finished(http: httpx.AsyncClient, clip: bytes) -> str:
    """The location of a job that is done."""
    location: str = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    async with asyncio.timeout(120):
        while (await http.get(location)).json()["status"] not in ("done", "failed"):
            pass
    return location


async def test_uploads_take_no_place_before_they_are_whole(
    shared: RunningServer, tenants: Keys, clients: list[httpx.AsyncClient], clip: bytes
) -> None:
    """Two of one key stand still; that key begins no third, the other key's clip is answered."""
    robot, drone = clients
    # The server says 100 when it asks for the body, by then the upload has its place.
    begun = post("/v1/clips", 1000, b"", {**tenants.header("robot"), "Expect": "100-continue"}.items())
    async with connected(shared.http_port, begun, begun) as pairs, asyncio.timeout(60):
        for reader, _ in pairs:
            assert b" 100 " in await reader.readline()
        refused = await robot.post("/v1/clips", content=b"no clip")
        answer = await drone.post("/v1/clips", content=clip)
    assert status_and_code(refused) == (429, "queue_full")
    assert refused.headers["retry-after"] == "1"
    assert answer.status_code == 200


async def test_clips_that_nobody_reads_keep_no_turn(
    shared: RunningServer, tenants: Keys, clients: list[httpx.AsyncClient], tmp_path: Path, clip: bytes
) -> None:
    """All turns went to calls whose results are not taken; another key's clip is answered."""
    long = make_clip(tmp_path / "long.mp4", count=60).read_bytes()
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1)]
    async with grpc.aio.insecure_channel(shared.grpc_target, options) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        calls = [stub.EstimateClip(each(chunks(long)), metadata=tenants.metadata("robot")) for _ in range(2)]
        for call in calls:
            assert isinstance(await call.read(), pb.PoseResult)
        answer = await clients[1].post("/v1/clips", content=clip)
        for call in calls:
            call.cancel()
    assert answer.status_code == 200


async def test_a_result_outlives_the_clips_of_other_keys(clients: list[httpx.AsyncClient]) -> None:
    """Results of a key give way to its own newer ones only."""
    robot, drone = clients
    kept = await finished(drone, b"no clip")
    mine = [await finished(robot, b"no clip") for _ in range(4)]
    assert (await drone.get(kept)).status_code == 200
    assert [(await robot.get(location)).status_code for location in mine] == [404, 404, 200, 200]


async def test_sessions_of_a_key_are_bounded(
    shared: RunningServer, tenants: Keys, clients: list[httpx.AsyncClient]
) -> None:
    """Also of one without a limit in the keys file; one that has a limit there has that one."""
    robot, drone = clients
    opened = [await robot.post("/v1/sessions") for _ in range(3)]
    assert [answer.status_code for answer in opened] == [201, 201, 429]
    assert status_and_code(opened[2]) == (429, "too_many_sessions")
    assert (await drone.post("/v1/sessions")).status_code == 201
    async with client_of(shared, tenants, "fleet") as fleet:
        assert [(await fleet.post("/v1/sessions")).status_code for _ in range(5)] == [201] * 4 + [429]
    for answer in opened[:2]:
        await robot.delete(answer.headers["location"])


async def test_calls_of_a_key_are_bounded(
    shared: RunningServer, tenants: Keys, clients: list[httpx.AsyncClient]
) -> None:
    """Over all transports together; other keys and probes go on."""
    robot, drone = clients
    session = (await robot.post("/v1/sessions")).json()["session_id"]
    url = f"ws://127.0.0.1:{shared.http_port}/v1/sessions/{session}/stream"
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(websockets.connect(url, additional_headers=tenants.header("robot")))
        assert status_and_code(await robot.get("/v1/models")) == (429, "queue_full")
        with pytest.raises(websockets.InvalidStatus) as refused:
            await stack.enter_async_context(websockets.connect(url, additional_headers=tenants.header("robot")))
        assert refused.value.response.status_code == 429
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(shared.grpc_target))
        with pytest.raises(grpc.RpcError) as caught:
            await PoseServiceStub(channel).ListModels(pb.ListModelsRequest(), metadata=tenants.metadata("robot"))
        code, error = grpc_status_and_error(caught.value)
        assert (code, error.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue_full")
        assert error.retry_after_ms is not None
        assert (await drone.get("/v1/models")).status_code == 200
        assert (await robot.get("/healthz")).status_code == 200


async def test_overlays_that_are_drawn_hold_up_no_upload(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the event loop has threads; forms with pictures and clips are answered meanwhile."""
    go_on = threading.Event()
    real = Drawing.draw

    def drawn_later(*args: Any) -> None:
        go_on.wait()
        real(*args)

    monkeypatch.setattr(Drawing, "draw", drawn_later)
    locations = [await finished(http, clip) for _ in range(8)]
    overlays = [asyncio.create_task(http.get(f"{location}/overlay.mp4")) for location in locations]
    try:
        session = (await http.post("/v1/sessions")).headers["location"]
        picture = await http.post(f"{session}/frames", files={"file": ("a.jpg", jpegs(1)[0], "image/jpeg")})
        answer = await http.post("/v1/clips", files={"file": ("a.mp4", clip, "video/mp4")})
        assert not any(overlay.done() for overlay in overlays)
    finally:
        go_on.set()
    assert (picture.status_code, answer.status_code) == (200, 200)
    assert {overlay.status_code for overlay in await asyncio.gather(*overlays)} == {200}
