"""The id of a call: read, made, logged and answered, over HTTP, WebSocket and gRPC."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
import uvicorn
import websockets
from google.rpc import status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from service.observability import logs
from service.transports import request_ids
from service.transports.request_ids import RequestIds

MADE = re.compile(r"[0-9a-f]{32}")
INSANE = ["", "two words", "x" * 129, "a;b", "<script>", "a\tb"]


async def _known(request: Request) -> Response:
    return JSONResponse(logs.context())


async def _bug(request: Request) -> Response:
    raise RuntimeError("a bug")


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(logs.context())
    await websocket.close()


async def _deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse(logs.context(), 401))


ROUTES = [
    Route("/", _known),
    Route("/bug", _bug),
    WebSocketRoute("/echo", _echo),
    WebSocketRoute("/deny", _deny),
]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Host and port of a real server."""
    config = uvicorn.Config(
        RequestIds(Starlette(routes=ROUTES)), ws="websockets-sansio", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await running


async def test_sane_id_of_a_client_is_logged_and_answered(address: str) -> None:
    """Client and operator speak of the same call."""
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(f"http://{address}/", headers={"X-Request-Id": "ticket-17:a/b=="})
    assert answer.headers.get_list("x-request-id") == ["ticket-17:a/b=="]
    assert answer.json() == {"request_id": "ticket-17:a/b=="}


@pytest.mark.parametrize("given", INSANE)
async def test_other_ids_are_replaced(address: str, given: str) -> None:
    """What does not belong into a log gets no way there."""
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(f"http://{address}/", headers={"X-Request-Id": given})
    assert MADE.fullmatch(answer.headers["x-request-id"])
    assert answer.json() == {"request_id": answer.headers["x-request-id"]}


async def test_each_call_of_a_connection_gets_its_own_id(address: str) -> None:
    """An id does not outlive its call."""
    async with httpx.AsyncClient(timeout=60) as http:
        answers = [await http.get(f"http://{address}/") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert all(answer.json() == {"request_id": answer.headers["x-request-id"]} for answer in answers)


async def test_bug_is_logged_with_its_id(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn tells of it once the app has ended; the id is still known."""
    caplog.handler.setFormatter(logs.JsonLines())
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(f"http://{address}/bug", headers={"X-Request-Id": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    (line,) = (line for line in caplog.text.splitlines() if "Exception in ASGI" in line)
    assert '"request_id": "mine"' in line


async def test_websocket_has_an_id(address: str) -> None:
    """It is answered with the handshake, accepted or denied."""
    headers = {"X-Request-Id": "ws-1"}
    async with websockets.connect(f"ws://{address}/echo", additional_headers=headers) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "ws-1"
        assert await socket.recv() == '{"request_id":"ws-1"}'
    with pytest.raises(websockets.InvalidStatus) as denied:
        await websockets.connect(f"ws://{address}/deny", additional_headers=headers)
    assert denied.value.response.headers["x-request-id"] == "ws-1"


# -- gRPC -------------------------------------------------------------------------------------------------


async def _answer(request: bytes, context: request_ids.Context) -> bytes:
    with request_ids.call(context):
        if request == b"abort":
            status = rpc_status.to_status(status_pb2.Status(code=5, message="not here"))
            await context.abort_with_status(request_ids.answered(status))
        return str(logs.context()["request_id"]).encode()


@asynccontextmanager
async def grpc_call() -> AsyncIterator[Any]:
    """A method of a real server that answers with the id it knows."""
    server = grpc.aio.server()
    methods: dict[str, Any] = {"Answer": grpc.unary_unary_rpc_method_handler(_answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Ids", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary("/tests.Ids/Answer")
    finally:
        await server.stop(None)


async def test_grpc_call_has_an_id() -> None:
    """The client's own or a new one, answered in the trailing metadata."""
    async with grpc_call() as method:
        for metadata, expected in (
            ((("x-request-id", "mine"),), "mine"),
            ((("x-request-id", "a b"),), None),
            ((), None),
        ):
            call = method(b"", metadata=metadata)
            known = (await call).decode()
            assert dict(await call.trailing_metadata())["x-request-id"] == known
            assert known == expected if expected else MADE.fullmatch(known)


async def test_grpc_error_has_the_id_and_its_details() -> None:
    """The rich status does not replace it."""
    async with grpc_call() as method:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await method(b"abort", metadata=(("x-request-id", "mine"),))
    trailing = dict(raised.value.trailing_metadata())
    assert trailing["x-request-id"] == "mine"
    assert "grpc-status-details-bin" in trailing
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
