"""Peers that send slowly, half, or in odd pieces, and peers that do not read: they end, and nobody else pays."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
import websockets

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.pipeline.request import FrameRequest
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.keys import Keys
from tests.support.raw import connected, post
from tests.support.server import (
    AsyncStub,
    chunks,
    each,
    free_ports,
    grpc_status_and_error,
    into,
    jpegs,
    opened,
    sent,
    status_and_code,
)
from tests.support.sockets import accepted_on, replied

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST = 100_000
"""Bytes of a picture on the server with room for two of them."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def brief(weights: Path) -> AsyncIterator[RunningServer]:
    """A server that waits for nobody for long."""
    settings = free_ports(weights, body_timeout_s=1.0, min_body_bytes_per_s=100_000, send_timeout_s=1.0)
    async with RunningServer(settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow(weights: Path) -> AsyncIterator[RunningServer]:
    """A server with room for two pictures."""
    limits = {"max_image_bytes": MOST, "max_incoming_bytes": 2 * MOST, "max_incoming_bytes_per_key": 2 * MOST}
    async with RunningServer(free_ports(weights, **limits)) as running:
        yield running


async def session_on(server: RunningServer) -> str:
    """A new session."""
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
        return await opened(http)


def stream_of(server: RunningServer, session_id: str) -> str:
    """The URL of a session's WebSocket."""
    return f"ws://127.0.0.1:{server.http_port}/v1/sessions/{session_id}/stream"


# -- bodies that do not come ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/x/frames", "/v1/clips"])
async def test_a_body_that_stops_ends_its_call(brief: RunningServer, path: str) -> None:
    """408, and the connection is not waited for."""
    answer = await replied("127.0.0.1", brief.http_port, post(path, 1000, b"x"))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer


async def test_a_body_that_trickles_ends_its_call(brief: RunningServer) -> None:
    """A byte now and then is no progress."""
    async with connected(brief.http_port, post("/v1/clips", 1000)) as [(reader, writer)]:

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        answer = await reader.readuntil(b"\r\n\r\n")
        trickling.cancel()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_clip_over_grpc_that_stops_ends_its_call(brief: RunningServer) -> None:
    """By the same code."""

    async def stopping() -> AsyncIterator[pb.Chunk]:
        yield pb.Chunk(data=b"x")
        await asyncio.Event().wait()

    async with grpc.aio.insecure_channel(brief.grpc_target) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await into([], stub.EstimateClip(stopping()))
    code, error = grpc_status_and_error(caught.value)
    assert (code, error.code) == (grpc.StatusCode.DEADLINE_EXCEEDED, "too_slow")


async def test_a_body_that_is_refused_and_stops_keeps_no_connection(weights: Path, keys: Keys) -> None:
    """The rest of it is waited for no longer than that of any body."""
    settings = free_ports(weights, api_keys_file=keys.file, body_timeout_s=0.3)
    async with RunningServer(settings) as server:
        answer = await replied("127.0.0.1", server.http_port, post("/v1/clips", 1000, b"x"))
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_websocket_message_that_stops_ends_its_connection(brief: RunningServer) -> None:
    """Told by the error of the stream."""
    async with websockets.connect(stream_of(brief, await session_on(brief))) as socket:

        async def stopping() -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.Event().wait()

        sending = asyncio.create_task(socket.send(stopping()))
        said = json.loads(await socket.recv())
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        sending.cancel()
    assert said["error"]["code"] == "too_slow"
    assert socket.close_code == 1008


# -- what is held of them ---------------------------------------------------------------------------------


async def test_unfinished_pictures_are_bounded_together(narrow: RunningServer) -> None:
    """Two stand still before their end; a third is refused until they have gone."""
    part = post("/v1/sessions/x/frames", MOST, bytes(MOST - 1))
    incoming = narrow.services.pipeline.incoming
    async with httpx.AsyncClient(base_url=narrow.http_url, timeout=60) as http:
        session_id = await opened(http)
        async with connected(narrow.http_port, part, part), asyncio.timeout(60):
            while incoming.total < 2 * (MOST - 1):
                await http.get("/healthz")
            refused = await sent(http, session_id, jpegs(1)[0])
        assert status_and_code(refused) == (429, "queue_full")
        assert refused.headers["retry-after"] == "1"
        async with asyncio.timeout(60):
            while incoming.total:
                await http.get("/healthz")
        assert (await sent(http, session_id, jpegs(1)[0])).status_code == 200


async def test_unfinished_websocket_messages_are_bounded_together(narrow: RunningServer) -> None:
    """As bodies are."""

    async def most_of_a_picture() -> AsyncIterator[bytes]:
        yield bytes(MOST)
        await asyncio.Event().wait()

    url = stream_of(narrow, await session_on(narrow))
    async with websockets.connect(url) as one, websockets.connect(url) as two, websockets.connect(url) as three:
        sockets = (one, two, three)
        sending = [asyncio.create_task(socket.send(most_of_a_picture())) for socket in sockets]
        hearing = [asyncio.create_task(socket.recv()) for socket in sockets]
        done, waiting = await asyncio.wait(hearing, return_when=asyncio.FIRST_COMPLETED)
        codes = [json.loads(task.result())["error"]["code"] for task in done]
        for task in (*sending, *waiting):
            task.cancel()
    assert codes == ["queue_full"]


async def test_answered_pictures_are_let_go_of_by_a_stream_that_nobody_reads(
    server: RunningServer, stub: AsyncStub
) -> None:
    """Results wait for their reader, pictures do not."""
    pictures, checked = jpegs(6, seed=5), asyncio.Event()

    async def frames() -> AsyncIterator[pb.Frame]:
        for image in pictures:
            yield pb.Frame(image=image)
        await checked.wait()

    call = stub.StreamPose(frames())
    session_id = dict(await call.initial_metadata())["kinepose-session-id"]
    async with asyncio.timeout(60):
        while (await stub.GetSession(pb.GetSessionRequest(session_id=str(session_id)))).next_seq < len(pictures):
            pass
        while server.services.pipeline.incoming.total:
            await asyncio.wait_for(stub.ListModels(pb.ListModelsRequest()), 60)
    kept = [r for r in gc.get_objects() if type(r) is FrameRequest and r.session_id == session_id and r.picture]
    assert not kept
    checked.set()
    assert len([result async for result in call]) == len(pictures)


async def test_a_stream_waits_where_there_is_no_room_for_its_pictures(weights: Path) -> None:
    """Back pressure, no error: room for one picture at a time, and all are answered."""
    pictures = jpegs(5)
    most = max(map(len, pictures))
    limits = {"max_image_bytes": most, "max_incoming_bytes": most, "max_incoming_bytes_per_key": most}
    async with RunningServer(free_ports(weights, **limits)) as server:
        async with grpc.aio.insecure_channel(server.grpc_target) as channel:
            stub: AsyncStub = PoseServiceStub(channel)
            results = [r async for r in stub.StreamPose(each([pb.Frame(image=image) for image in pictures]))]
        assert server.services.pipeline.incoming.total == 0
    assert [result.outcome for result in results] == [pb.OUTCOME_OK] * 5


# -- odd messages -----------------------------------------------------------------------------------------


async def told(server: RunningServer, *messages: Any) -> tuple[list[str], int | None]:
    """The codes of the errors that a stream is told for its messages until the server ends it, and the close code."""
    async with websockets.connect(stream_of(server, await session_on(server))) as socket:

        async def send() -> None:
            for message in messages:
                await socket.send(message)

        sending = asyncio.create_task(send())
        codes = []
        with suppress(websockets.ConnectionClosed):
            while True:
                codes.append(json.loads(await socket.recv())["error"]["code"])
        await asyncio.gather(sending, return_exceptions=True)
    return codes, socket.close_code


async def test_a_text_may_not_be_as_long_as_a_picture(server: RunningServer) -> None:
    """Refused by its header, whole or in pieces, before it is received."""
    assert await told(server, "x" * 11_000_000) == (["too_large"], 1009)
    assert await told(server, ["x" * 9000] * 3) == (["too_large"], 1009)


async def test_a_message_may_not_come_in_thousands_of_pieces(server: RunningServer) -> None:
    """A byte in each would cost fifty in memory."""
    assert await told(server, [b"x"] * 3000) == (["bad_request"], 1008)


async def test_texts_without_pictures_come_to_an_end(server: RunningServer) -> None:
    """A stream is of pictures."""
    codes, closed = await told(server, *(["{}"] * 100))
    assert (codes, closed) == (["bad_request"], 1008)


# -- peers that do not read -------------------------------------------------------------------------------


async def test_an_answer_that_nobody_reads_ends_its_connection(brief: RunningServer) -> None:
    """More of them are asked for than the sockets hold; then nothing is read."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 400
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(silent, ("127.0.0.1", brief.http_port))
        await loop.sock_sendall(silent, asked)
        own = silent.getsockname()
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=brief.http_url) as http:
            while any(peer.getpeername() == own for peer in accepted_on(brief.http_port)):
                await http.get("/healthz")


async def test_a_call_whose_results_nobody_reads_ends(brief: RunningServer, tmp_path: Path) -> None:
    """Told to the client who reads in the end."""
    clip = make_clip(tmp_path / "long.mp4", count=60).read_bytes()
    calls = brief.services.calls
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1)]
    async with grpc.aio.insecure_channel(brief.grpc_target, options) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        results = aiter(stub.EstimateClip(each(chunks(clip))))
        assert isinstance(await anext(results), pb.PoseResult)
        async with asyncio.timeout(120), httpx.AsyncClient(base_url=brief.http_url) as http:
            while calls.total:
                await http.get("/healthz")
        with pytest.raises(grpc.RpcError) as caught:
            await into([], results)
    assert grpc_status_and_error(caught.value)[1].code == "too_slow"
