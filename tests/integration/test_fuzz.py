"""Garbage at every port and endpoint: no 500, no INTERNAL, no UNKNOWN, and a good frame is answered after it."""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import httpx
import hypothesis
import pytest
import pytest_asyncio
import schemathesis
import websockets
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi_checks

from kinepose_client.pb import pose_pb2 as pb
from service.config import Settings
from service.processes.frontend import RunningServer, create_app
from tests.support.keys import make_certificate
from tests.support.server import free_ports, jpegs, opened, sent, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1024 * 1024
GARBAGE_BYTES = 10 * MIB
EXAMPLES = 12
BUGS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
METHODS = pb.DESCRIPTOR.services_by_name["PoseService"].methods

bounded = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(autouse=True)
def _no_bug(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.exc_info and record.name.startswith("service")] == []


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _goes_on(http: httpx.AsyncClient) -> AsyncIterator[None]:
    """After each of these tests the server answers a good frame."""
    yield
    session_id = await opened(http)
    assert (await sent(http, session_id, jpegs(1)[0])).json()["outcome"] == "ok"
    await http.delete(f"/v1/sessions/{session_id}")


@cache
def garbage(count: int = GARBAGE_BYTES) -> bytes:
    """Bytes that mean nothing, the same in every run."""
    return random.Random(count).randbytes(count)


# -- HTTP -------------------------------------------------------------------------------------------------

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
CHECKS = (
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
)


def operation_of(method: str, path: str) -> Any:
    """What schemathesis makes of an operation of our document."""
    operations = (
        result.ok()
        for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
        if isinstance(result, Ok)
    )
    return next(found for found in operations if (found.method.upper(), found.path) == (method, path))


def modes_of(method: str, path: str) -> list[schemathesis.GenerationMode]:
    """How an operation can be called: against the document only where it takes anything."""
    operation = DOCUMENT["paths"][path][method.lower()]
    takes = operation.get("parameters") or operation.get("requestBody")
    return list(schemathesis.GenerationMode) if takes else [schemathesis.GenerationMode.POSITIVE]


CALLS = [(operation, mode) for operation in OPERATIONS for mode in modes_of(*operation)]


@pytest.mark.parametrize(("operation", "mode"), CALLS, ids=[f"{' '.join(op)} {mode.value}" for op, mode in CALLS])
async def test_every_operation_bears_every_call(
    operation: tuple[str, str], mode: schemathesis.GenerationMode, server: RunningServer, http: httpx.AsyncClient
) -> None:
    """Calls as the document allows them, and calls that it does not: each answer is one that it tells of."""
    live = {"session_id": await opened(http)}

    @bounded
    @hypothesis.given(case=operation_of(*operation).as_strategy(generation_mode=mode), known=st.booleans())
    def fuzzed(case: schemathesis.Case[Any], known: bool) -> None:
        if known and "session_id" in case.path_parameters:
            case.path_parameters["session_id"] = live["session_id"]
        response = case.call(base_url=server.http_url, timeout=60)
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        case.validate_response(response, checks=list(CHECKS))

    await asyncio.to_thread(fuzzed)
    await http.delete(f"/v1/sessions/{live['session_id']}")


@pytest.mark.parametrize("kind", ["application/octet-stream", "multipart/form-data; boundary=x", "application/json"])
async def test_ten_megabytes_at_every_path(kind: str, http: httpx.AsyncClient) -> None:
    """With every method that a path has, and with POST where it has none."""
    session_id = await opened(http)
    ids = {"session_id": session_id, "clip_id": "none"}
    for method, path in sorted({*OPERATIONS, *(("POST", path) for _, path in OPERATIONS), ("POST", "/nothing")}):
        headers = {"content-type": kind}
        try:
            answer = await http.request(method, path.format(**ids), content=garbage(), headers=headers)
        except httpx.WriteError:
            continue  # Answered and closed while we still sent.
        assert answer.status_code < 500, (method, path, answer.text)


async def test_a_json_that_nests_without_end_is_refused(http: httpx.AsyncClient) -> None:
    """Below the limit of its size."""
    answer = await http.post("/v1/sessions", content=b"[" * 60_000, headers={"content-type": "application/json"})
    assert status_and_code(answer) == (422, "bad_request")


# -- raw ports --------------------------------------------------------------------------------------------


async def poured(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> None:
    """Send bytes to a port until all are sent or it hangs up; read what it says to them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    heard = asyncio.ensure_future(reader.read())
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        for start in range(0, len(data), MIB):
            writer.write(data[start : start + MIB])
            await writer.drain()
        writer.write_eof() if writer.can_write_eof() else None
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(5):
            await heard
    heard.cancel()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


PREFACES = {
    "nothing": b"",
    "half a request": b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nX: ",
    "broken chunks": b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade": b"GET /v1/sessions/x/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
}


@pytest.mark.parametrize("preface", PREFACES)
async def test_ten_megabytes_at_both_ports(preface: str, server: RunningServer) -> None:
    """Bytes that are no HTTP, or were until then."""
    for port in (server.http_port, server.grpc_port):
        await poured(port, PREFACES[preface] + garbage())


async def test_ten_megabytes_at_a_port_with_tls(weights: Path, tmp_path: Path) -> None:
    """In the place of a handshake; who speaks TLS is answered after it."""
    made = make_certificate(tmp_path)
    settings = free_ports(weights, tls_cert_file=made.cert_file, tls_key_file=made.key_file)
    async with RunningServer(settings) as encrypted:
        for port in (encrypted.http_port, encrypted.grpc_port):
            await poured(port, garbage())
        trusted = ssl.create_default_context(cafile=made.cert_file)
        async with httpx.AsyncClient(base_url=encrypted.http_url, verify=trusted, timeout=60) as http:
            assert (await http.get("/readyz")).status_code == 200


# -- gRPC -------------------------------------------------------------------------------------------------


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    """A channel that sends messages of any size; to be used in a thread."""
    with grpc.insecure_channel(server.grpc_target, [("grpc.max_send_message_length", -1)]) as opened:
        yield opened


def final_status(channel: grpc.Channel, method: MethodDescriptor, messages: list[bytes]) -> grpc.StatusCode:
    """How a call of a method with these messages ends."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    send: Any = channel.stream_stream(name)
    call = send(iter(messages), timeout=60)
    with contextlib.suppress(grpc.RpcError):
        for _ in call:
            pass
    code: grpc.StatusCode = call.code()
    return code


def messages_of(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of a type with any fields, of any values that the wire can carry."""
    fields = st.fixed_dictionaries({}, optional={field.name: _values(field) for field in descriptor.fields})
    return fields.map(lambda chosen: GetMessageClass(descriptor)(**chosen))


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    one = messages_of(field.message_type) if field.message_type else _SCALARS[field.type]
    return st.lists(one, max_size=3) if field.is_repeated else one


_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=50),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=200) | st.sampled_from(jpegs(2)),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
}


@pytest.mark.parametrize("name", [method.name for method in METHODS])
async def test_every_method_bears_every_message(name: str, channel: grpc.Channel) -> None:
    """Messages with any fields of any values, and bytes that are no message."""
    method = next(method for method in METHODS if method.name == name)
    wellformed = messages_of(method.input_type).map(lambda message: message.SerializeToString())
    streams = st.lists(wellformed | st.binary(max_size=100), min_size=1, max_size=4)

    @bounded
    @hypothesis.given(messages=streams)
    def fuzzed(messages: list[bytes]) -> None:
        code = final_status(channel, method, messages)
        assert code not in BUGS, (code, messages)

    await asyncio.to_thread(fuzzed)


@pytest.mark.parametrize("name", [method.name for method in METHODS])
async def test_ten_megabytes_at_every_method(name: str, channel: grpc.Channel) -> None:
    """As a message that is none, and as the bytes or text of one that is."""
    method = next(method for method in METHODS if method.name == name)
    kinds = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING)
    field = next((field for kind in kinds for field in method.input_type.fields if field.type == kind), None)
    assert await asyncio.to_thread(final_status, channel, method, [garbage()]) not in BUGS
    if field is not None:
        filling: Any = garbage() if field.type == FieldDescriptor.TYPE_BYTES else "x" * GARBAGE_BYTES
        message = GetMessageClass(method.input_type)(**{field.name: filling})
        assert await asyncio.to_thread(final_status, channel, method, [message.SerializeToString()]) not in BUGS


# -- WebSocket --------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=100) | st.dictionaries(
    st.sampled_from(["seq", "pts_us", "region", "deadline_ms", "end", "x"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.floats(), max_size=5),
).map(json.dumps)
PICTURES = st.binary(max_size=200) | st.sampled_from(jpegs(2))


async def conversed(url: str, messages: list[str | bytes]) -> int:
    """Say all of it, then end; the code that the connection was closed with."""
    async with websockets.connect(url, max_size=None) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            for message in messages:
                await socket.send(message)
            await socket.send('{"end": true}')
        async with asyncio.timeout(60):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await socket.recv()
        assert socket.close_code is not None
        return socket.close_code


async def test_a_websocket_bears_every_message(server: RunningServer, http: httpx.AsyncClient) -> None:
    """Texts and pictures of any kind; it is never closed as if the server were at fault (1011)."""
    loop = asyncio.get_running_loop()
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{await opened(http)}/stream"

    @bounded
    @hypothesis.given(messages=st.lists(TEXTS | PICTURES, max_size=6))
    def fuzzed(messages: list[str | bytes]) -> None:
        code = asyncio.run_coroutine_threadsafe(conversed(url, messages), loop).result(60)
        assert code in (1000, 1008), (code, messages)

    await asyncio.to_thread(fuzzed)


@pytest.mark.parametrize("filling", ["bytes", "text", "a JSON array"])
async def test_ten_megabytes_over_a_websocket(filling: str, server: RunningServer, http: httpx.AsyncClient) -> None:
    """As a picture, as a text, as a JSON that nests without end: texts that long end the stream (1009)."""
    messages: dict[str, str | bytes] = {
        "bytes": garbage(),
        "text": "x" * GARBAGE_BYTES,
        "a JSON array": "[" * GARBAGE_BYTES,
    }
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{await opened(http)}/stream"

    code = 1000 if filling == "bytes" else 1009
    assert await conversed(url, [messages[filling], b"no picture"]) == code


async def test_ten_megabytes_of_broken_websocket_frames(server: RunningServer, http: httpx.AsyncClient) -> None:
    """After a handshake that was well."""
    path = f"/v1/sessions/{await opened(http)}/stream"
    handshake = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await poured(server.http_port, handshake.encode() + garbage())
