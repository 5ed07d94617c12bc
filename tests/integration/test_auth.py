"""Keys at every door: who comes in without one, who with one, and who meets another's session."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
import websockets
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]
from starlette.routing import BaseRoute

from kinepose_client import AsyncClient, Client, Picture
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service import errors
from service.observability import logs
from service.processes.frontend import RunningServer
from service.transports.http.auth import OPEN_FILES, OPEN_PATHS
from tests.support.clips import make_clip
from tests.support.keys import Keys, make_keys
from tests.support.server import AsyncStub, each, free_ports, grpc_status_and_error, jpegs, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

Route = tuple[str, str]
PROBES: set[Route] = {("GET", "/healthz"), ("GET", "/readyz")}
READ_BY_BROWSERS: set[Route] = {
    ("GET", path)
    for path in (
        "/",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/page/index.html",
        "/page/server.json",
        "/page/sample.mp4",
        "/page/sample/csv",
    )
}
OPEN = PROBES | READ_BY_BROWSERS
HEALTH = "grpc.health.v1.Health"


@pytest_asyncio.fixture(loop_scope="session")
async def nobody(guarded: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client without a key."""
    async with httpx.AsyncClient(base_url=guarded.http_url, timeout=60) as client:
        yield client


# -- all that there is ------------------------------------------------------------------------------------


def walked(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Method and path of every route of an app; a WebSocket's method is WS."""
    for route in routes:
        inner: Any = getattr(route, "original_router", None)
        if inner is not None:
            yield from walked(inner.routes)
            continue
        assert hasattr(route, "path"), f"how is {route!r} walked?"
        for method in getattr(route, "methods", None) or ("WS",):
            yield method, route.path


def all_routes(server: RunningServer) -> set[Route]:
    """Every route of a server, with their parameters filled in."""
    routes = set(walked(server.app.routes))
    documented = {(m.upper(), path) for path, methods in server.app.openapi()["paths"].items() for m in methods}
    assert documented <= routes
    filled_in = ((method, path.replace("{name:path}", "index.html")) for method, path in routes)
    return {(method, path.replace("{name}", "csv")) for method, path in filled_in}


async def answer(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    """What a route says; to a WebSocket, at the handshake."""
    if method != "WS":
        return await client.request(method, path)
    url = f"{client.base_url.copy_with(scheme='ws')}".rstrip("/") + path
    try:
        async with websockets.connect(
            url, additional_headers={"authorization": client.headers.get("authorization", "")}
        ):
            return httpx.Response(101)
    except websockets.InvalidStatus as refused:
        raw = refused.response
        headers = [(name, value) for name, value in raw.headers.raw_items() if name != "content-length"]
        return httpx.Response(raw.status_code, headers=headers, content=bytes(raw.body or b""))


async def all_methods(channel: grpc.aio.Channel, metadata: Any) -> list[MethodDescriptor]:
    """Every method of every service that reflection names."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listed = await anext(aiter(stub.ServerReflectionInfo(each([request]), metadata=metadata)))
    names = [service.name for service in listed.list_services_response.service]
    return [method for name in names for method in Default().FindServiceByName(name).methods]


async def called(channel: grpc.aio.Channel, method: str, message: bytes = b"", **how: Any) -> grpc.StatusCode:
    """How a call of any method ends."""
    call: Any = channel.stream_stream(method)(each([message]), **how)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError:
        pass
    code: grpc.StatusCode = await call.code()
    return code


# -- without a key ----------------------------------------------------------------------------------------


async def test_every_route_but_health_and_the_page_wants_a_key(
    guarded: RunningServer, nobody: httpx.AsyncClient
) -> None:
    """401 as problem+json, which says what is missing; found by walking the app, so that none is forgotten."""
    routes = all_routes(guarded)
    routes = {(method, path) for method, path in routes if method != "HEAD"}  # it is answered as GET
    came_in = {route for route in routes if (await answer(nobody, *route)).status_code == 200}

    assert came_in == OPEN
    assert {path for _, path in OPEN if not path.startswith(OPEN_FILES)} == OPEN_PATHS
    open_paths = {path for _, path in OPEN}
    for method, path in {route for route in routes if route[1] not in open_paths}:
        refused = await answer(nobody, method, path)
        assert status_and_code(refused) == (401, "unauthenticated"), (method, path)
        assert refused.headers["www-authenticate"] == "Bearer"


async def status_of(path: str, server: RunningServer) -> int:
    """What is answered to this path as it is written: clients would tidy it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(status.split()[1])


@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/metrics/", "//metrics", "/healthz/x", "/HEALTHZ", "/v1/../metrics", "/page", "//page/index.html"],
)
async def test_no_spelling_of_a_path_comes_in(path: str, guarded: RunningServer) -> None:
    """What is not served does not even look different from what is."""
    assert await status_of(path, guarded) == 401


@pytest.mark.parametrize("name", ["../config.py", "%2e%2e/config.py", "..%2fconfig.py", "/etc/passwd", "vendor"])
async def test_no_file_but_those_of_the_page_is_read(name: str, guarded: RunningServer) -> None:
    """Not by any way up and out of its folder."""
    assert await status_of(f"/page/{name}", guarded) == 404


async def test_every_method_but_health_wants_a_key(channel: grpc.aio.Channel, keys: Keys) -> None:
    """UNAUTHENTICATED; found by reflection and the services' descriptors, so that none is forgotten."""
    methods = await all_methods(channel, keys.metadata("robot"))
    closed = [m for m in methods if m.containing_service.full_name != HEALTH]

    assert {m.containing_service.name for m in methods} == {"PoseService", "ServerReflection", "Health"}
    for method in closed:
        name = f"/{method.containing_service.full_name}/{method.name}"
        assert await called(channel, name) is grpc.StatusCode.UNAUTHENTICATED, name
    assert await called(channel, "/kinepose.v1.PoseService/Nothing") is grpc.StatusCode.UNAUTHENTICATED


async def test_health_is_open(channel: grpc.aio.Channel) -> None:
    """A load balancer has no key."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("said", ["Bearer kp_robot_" + "x" * 43, "Bearer", "Basic cm9ib3Q6"])
async def test_a_wrong_key_is_refused(said: str, nobody: httpx.AsyncClient, channel: grpc.aio.Channel) -> None:
    """As none; over gRPC, too."""
    metadata = (("authorization", said),)

    assert status_and_code(await nobody.get("/v1/models", headers={"authorization": said})) == (401, "unauthenticated")
    code = await called(channel, "/kinepose.v1.PoseService/ListModels", metadata=metadata)
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_the_error_has_its_details_over_grpc(channel: grpc.aio.Channel) -> None:
    """The same typed error as over HTTP."""
    with pytest.raises(grpc.RpcError) as caught:
        await PoseServiceStub(channel).ListModels(pb.ListModelsRequest())
    assert grpc_status_and_error(caught.value)[1].code == "unauthenticated"


async def test_an_upload_without_a_key_is_answered(
    nobody: httpx.AsyncClient, guarded: RunningServer, tmp_path: Path
) -> None:
    """A client that sends a long clip learns why it is refused, over either transport."""
    body = bytes(200_000)
    assert status_and_code(await nobody.post("/v1/clips", content=body)) == (401, "unauthenticated")

    (tmp_path / "clip").write_bytes(body)
    async with AsyncClient(None, guarded.grpc_target) as client:
        with pytest.raises(errors.Unauthenticated):
            _ = [result async for result in client.estimate_clip(tmp_path / "clip")]


# -- with a key -------------------------------------------------------------------------------------------


async def test_a_key_opens_every_route(guarded: RunningServer, robot: httpx.AsyncClient, keys: Keys) -> None:
    """Whatever a route answers then, it is not 401; metrics tell of all keys, and are for operators."""
    answers = {route: (await answer(robot, *route)).status_code for route in all_routes(guarded)}
    assert 401 not in answers.values()
    assert answers["GET", "/docs"] == answers["GET", "/openapi.json"] == 200
    assert status_and_code(await robot.get("/metrics")) == (403, "forbidden")
    assert (await robot.get("/metrics", headers=keys.header("operator"))).status_code == 200


async def test_the_document_names_the_scheme(robot: httpx.AsyncClient) -> None:
    """Every operation but health's says that it wants a bearer key."""
    document = (await robot.get("/openapi.json")).json()

    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    unsecured = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") != [{"bearer": []}]
    }
    assert unsecured == PROBES


@asynccontextmanager
async def stream(server: RunningServer, session_id: str, **how: Any) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket on a session's stream."""
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{session_id}/stream"
    async with websockets.connect(url, **how) as socket:
        yield socket


async def test_a_browser_sends_its_key_as_a_subprotocol(
    guarded: RunningServer, robot: httpx.AsyncClient, keys: Keys
) -> None:
    """Beside `kinepose`, which is the one that is accepted: the key is not sent back."""
    session_id = (await robot.post("/v1/sessions")).json()["session_id"]
    offered = ["kinepose", f"kinepose.bearer.{keys.by_name['robot']}"]

    async with stream(guarded, session_id, subprotocols=offered) as socket:
        await socket.send(jpegs(1)[0])
        assert '"outcome":"ok"' in str(await socket.recv())
        assert socket.subprotocol == "kinepose"


async def test_a_client_with_a_key_does_all(guarded: RunningServer, keys: Keys, tmp_path: Path) -> None:
    """Both transports, blocking or not: sessions, frames, streams, clips, models."""
    path = make_clip(tmp_path / "clip.mp4", count=2)
    pictures = [Picture(image) for image in jpegs(2)]
    addresses = ((guarded.http_url, None), (None, guarded.grpc_target))

    def blocking(*address: str | None) -> list[Any]:
        with Client(*address, api_key=keys.by_name["robot"]) as client:
            session = client.create_session()
            client.send_frame(session.session_id, pictures[0])
            streamed = list(client.stream(pictures)) if address[1] else []
            return [client.close_session(session.session_id), *streamed, *client.estimate_clip(path), *client.models()]

    async def awaited(*address: str | None) -> list[Any]:
        async with AsyncClient(*address, api_key=keys.by_name["robot"]) as client:
            session = await client.create_session()
            await client.send_frame(session.session_id, pictures[0])
            streamed = [result async for result in client.stream(each(pictures))] if address[1] else []
            clip = [result async for result in client.estimate_clip(path)]
            return [await client.close_session(session.session_id), *streamed, *clip, *await client.models()]

    for address in addresses:
        expected = 6 if address[1] else 4
        assert len(await asyncio.to_thread(blocking, *address)) == len(await awaited(*address)) == expected


@pytest.mark.parametrize("key", ["", "kp_robot_x\n", "kp robot", "kp_röbot_x"])
async def test_a_client_refuses_what_is_no_key(key: str) -> None:
    """A line break at its end, say, before a library quotes it in an error."""
    with pytest.raises(ValueError, match="api_key: a key is of printable ASCII"):
        Client("http://127.0.0.1:1", api_key=key)


# -- whose it is ------------------------------------------------------------------------------------------


async def test_another_keys_session_is_forbidden_on_every_route(
    guarded: RunningServer, robot: httpx.AsyncClient, nobody: httpx.AsyncClient, keys: Keys, clip: bytes
) -> None:
    """403 wherever a session or clip is named, and it goes on as it was."""
    session_id = (await robot.post("/v1/sessions")).json()["session_id"]
    accepted = await robot.post("/v1/clips", content=clip, headers={"Prefer": "respond-async"})
    ids = {"session_id": session_id, "clip_id": accepted.json()["id"]}
    named = sorted((method, path) for method, path in all_routes(guarded) if "{" in path)
    assert len(named) >= 8

    nobody.headers.update(keys.header("drone"))
    for method, path in named:
        assert status_and_code(await answer(nobody, method, path.format(**ids))) == (403, "forbidden"), (method, path)
    assert (await robot.get(f"/v1/sessions/{session_id}")).json()["next_seq"] == 0
    assert (await robot.get(accepted.headers["location"])).status_code == 200


async def test_another_keys_session_is_forbidden_to_every_method(channel: grpc.aio.Channel, keys: Keys) -> None:
    """PERMISSION_DENIED wherever a message names a session."""
    stub: AsyncStub = PoseServiceStub(channel)
    session = await stub.CreateSession(pb.CreateSessionRequest(), metadata=keys.metadata("robot"))
    naming = [
        method
        for method in pb.DESCRIPTOR.services_by_name["PoseService"].methods
        if "session_id" in method.input_type.fields_by_name
    ]
    assert {"GetSession", "CloseSession", "EstimateFrame", "StreamPose"} <= {method.name for method in naming}

    for method in naming:
        message = pb.GetSessionRequest(session_id=session.session_id).SerializeToString()
        name = f"/{method.containing_service.full_name}/{method.name}"
        code = await called(channel, name, message, metadata=keys.metadata("drone"))
        assert code is grpc.StatusCode.PERMISSION_DENIED, name
    seen = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id), metadata=keys.metadata("robot"))
    assert seen.next_seq == 0


async def test_refusals_show_in_the_metrics(robot: httpx.AsyncClient, nobody: httpx.AsyncClient, keys: Keys) -> None:
    """By reason."""

    async def unauthenticated() -> float:
        lines = (await robot.get("/metrics", headers=keys.header("operator"))).text.splitlines()
        name = 'kinepose_auth_failures_total{reason="unauthenticated"} '
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    before = await unauthenticated()
    await nobody.get("/v1/models")
    assert await unauthenticated() == before + 1


# -- secrets ----------------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a server with log level DEBUG logs."""
    root, text = logging.getLogger(), io.StringIO()
    before = (root.level, list(root.handlers))
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    ours = {name: logging.getLogger(name).level for name in logs.OUR_LOGGERS}
    for name in ours:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield text
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in ours.items():
        logging.getLogger(name).setLevel(level)


async def test_no_key_is_ever_logged(
    guarded: RunningServer, channel: grpc.aio.Channel, keys: Keys, logged: io.StringIO
) -> None:
    """Good or bad, over any transport, at any level of ours; nor does it show in an answer or a metric."""
    secrets = {*keys.by_name.values(), "kp_bad_" + "b" * 43}
    said: list[str] = []
    for key in secrets:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=guarded.http_url, headers=headers, timeout=60) as http:
            for path in ("/v1/models", "/v1/sessions/none", "/metrics", f"/{key[:8]}"):
                said.append((await http.get(path)).text)
            said.append((await answer(http, "WS", "/v1/sessions/none/stream")).text)
        with pytest.raises(websockets.InvalidStatus):
            async with stream(guarded, "none", subprotocols=["kinepose", f"kinepose.bearer.{key}"]):
                pass
        await called(channel, "/kinepose.v1.PoseService/GetSession", metadata=tuple(headers.items()))

    everything = logged.getvalue() + "".join(said)
    assert len(said) == 5 * len(secrets)
    assert not [key for key in secrets if key[-43:] in everything]


async def test_a_new_key_needs_no_restart(weights: Path, tmp_path: Path) -> None:
    """The file is looked at with each call; a key that is taken out ends at once, also over a kept connection."""
    first = make_keys(tmp_path / "keys.json", robot={})
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RunningServer(free_ports(weights, api_keys_file=first.file)))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.http_url, timeout=60))
        assert (await http.get("/v1/models", headers=first.header("robot"))).status_code == 200
        second = make_keys(first.file, drone={})
        assert (await http.get("/v1/models", headers=first.header("robot"))).status_code == 401
        assert (await http.get("/v1/models", headers=second.header("drone"))).status_code == 200
