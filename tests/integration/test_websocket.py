"""Frames over a WebSocket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from service.contract import wire
from service.processes.frontend import RunningServer
from tests.support.server import jpegs, nothing_pending, opened, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def connected(server: RunningServer, session_id: str) -> AsyncIterator[ClientConnection]:
    """A WebSocket on a session's stream."""
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{session_id}/stream"
    async with websockets.connect(url, max_size=None) as socket:
        yield socket


async def answer(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    data: dict[str, Any] = json.loads(await socket.recv())
    return data


async def test_a_picture_alone_is_the_next_frame(server: RunningServer, http: httpx.AsyncClient) -> None:
    """Binary messages are numbered on from the session's next seq."""
    session_id = await opened(http)
    first, second, third = jpegs(3)
    await sent(http, session_id, first)

    async with connected(server, session_id) as socket:
        await socket.send(second)
        await socket.send(third)
        answers = [await answer(socket) for _ in range(2)]
    assert [(a["seq"], a["outcome"]) for a in answers] == [(1, "ok"), (2, "ok")]


async def test_a_text_message_speaks_of_the_next_picture(server: RunningServer, http: httpx.AsyncClient) -> None:
    """seq, time and region hold for one picture."""
    async with connected(server, await opened(http)) as socket:
        await socket.send(json.dumps({"seq": 0, "pts_us": 5, "region": [10, 10, 40, 50]}))
        await socket.send(jpegs(1)[0])
        result = await answer(socket)
        await socket.send(jpegs(1)[0])
        untold = await answer(socket)
    assert (result["seq"], result["pts_us"]) == (0, 5)
    assert [person["region"] for person in result["people"]] == [[10, 10, 40, 50]]
    assert (untold["seq"], untold["pts_us"]) == (1, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"colour": 1}', '{"seq": "x"}', '{"region": [1, 2]}'])
async def test_a_malformed_text_message_fails_its_picture(
    text: str, server: RunningServer, http: httpx.AsyncClient
) -> None:
    """It is answered at once. Every picture gets one answer and uses up its seq; the next one is computed."""
    async with connected(server, await opened(http)) as socket:
        await socket.send(text)
        at_once = await answer(socket)
        await socket.send(jpegs(1)[0])
        refused = await answer(socket)
        await socket.send(jpegs(1)[0])
        computed = await answer(socket)
    assert "outcome" not in at_once
    assert at_once["error"]["code"] == refused["error"]["code"]
    assert refused["outcome"] == "error"
    assert refused["error"]["code"] in ("bad_request", "bad_region")
    assert (refused["seq"], computed["seq"], computed["outcome"]) == (0, 1, "ok")


async def test_a_picture_sent_as_text_is_told_where_it_belongs(server: RunningServer, http: httpx.AsyncClient) -> None:
    """At once: a client that sends no binary message would wait for ever."""
    async with connected(server, await opened(http)) as socket:
        await socket.send("/9j/4AAQ" * 1000)
        refused = await answer(socket)
    assert refused["error"]["code"] == "too_large"
    assert "binary messages" in refused["error"]["detail"]


async def test_a_bad_picture_is_its_own_error(server: RunningServer, http: httpx.AsyncClient) -> None:
    """The stream goes on after it."""
    async with connected(server, await opened(http)) as socket:
        await socket.send(b"no picture")
        await socket.send(jpegs(1)[0])
        answers = [await answer(socket) for _ in range(2)]
    assert [a["outcome"] for a in answers] == ["error", "ok"]
    assert answers[0]["error"]["code"] == "bad_image"


async def test_an_ended_stream_answers_what_is_open(server: RunningServer, http: httpx.AsyncClient) -> None:
    """After {"end": true} all answers come, then the server closes."""
    async with connected(server, await opened(http)) as socket:
        for image in jpegs(5):
            await socket.send(image)
        await socket.send('{"end": true}')
        answers = [json.loads(text) async for text in socket]
    assert [a["seq"] for a in answers] == [0, 1, 2, 3, 4]
    assert socket.close_code == 1000


async def test_an_unknown_session_is_refused_at_the_handshake(server: RunningServer) -> None:
    """With the problem+json of the other routes."""
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connected(server, "never-seen"):
            pass
    assert caught.value.response.status_code == 404
    assert json.loads(caught.value.response.body or b"")["code"] == "session_unknown"


async def test_a_session_closed_from_elsewhere_ends_the_stream(server: RunningServer, http: httpx.AsyncClient) -> None:
    """The client learns why before the connection closes."""
    session_id = await opened(http)
    async with connected(server, session_id) as socket:
        await socket.send(jpegs(1)[0])
        await answer(socket)
        await http.delete(f"/v1/sessions/{session_id}")
        await socket.send(jpegs(1)[0])
        result = await answer(socket)
        await socket.wait_closed()
    assert result["error"]["code"] == "session_expired"
    assert socket.close_code == 1008


async def test_a_client_that_goes_away_leaves_nothing_in_flight(server: RunningServer, http: httpx.AsyncClient) -> None:
    """Its frames are dropped, and its session can be continued."""
    session_id = await opened(http)
    async with connected(server, session_id) as socket:
        for image in jpegs(6):
            await socket.send(image)
        await answer(socket)
        socket.transport.abort()
    await nothing_pending(http)

    assert (await sent(http, session_id, jpegs(1)[0])).json()["outcome"] == "ok"


async def test_a_bug_is_told_and_logged(
    server: RunningServer, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As over HTTP and gRPC: `internal`, no more; the connection ends with 1011, and the next one is served."""
    session_id = await opened(http)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(wire, "result_to_json", broken)
        async with connected(server, session_id) as socket:
            await socket.send(jpegs(1)[0])
            assert (await answer(socket))["error"]["code"] == "internal"
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1011, "internal")
    assert "ZeroDivisionError" in caplog.text

    async with connected(server, session_id) as socket:
        await socket.send(jpegs(1)[0])
        assert (await answer(socket))["outcome"] == "ok"
