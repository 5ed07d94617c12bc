"""uvicorn as we set it up: its sockets, its paths, and the bounds of what it takes in before anybody asks for a key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from service.config import Settings
from service.transports.http.protocol import MAX_HEAD_BYTES, MAX_HEADERS
from service.transports.http.server import HttpServer
from tests.support.sockets import replied, without_delay

HEAD = b"GET /where HTTP/1.1\r\nHost: x\r\n"


def small_app() -> FastAPI:
    """Tells where it is, and how much was sent to it."""
    app = FastAPI()
    app.state.failure = None

    @app.get("/where")
    async def where(request: Request) -> dict[str, str]:
        return {"path": request.scope["path"], "root": request.scope["root_path"]}

    @app.post("/count")
    async def count(request: Request) -> int:
        return len(await request.body())

    return app


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[HttpServer]:
    """That app on a free port."""
    async with HttpServer(small_app(), Settings(http_port=0, **changes)) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_accepted_connections_send_at_once(host: str) -> None:
    """TCP_NODELAY is set, over IPv4 and IPv6: no answer waits 40 ms for an acknowledgement."""
    async with running(host=host) as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        assert (await http.get("/where")).status_code == 200
        assert without_delay(server.port) == [True]


async def test_an_ipv6_address_stands_in_brackets() -> None:
    """In the URL, and in what gRPC is told to listen on."""
    async with running(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
    assert Settings(host="::1").address(1) == "[::1]:1"
    assert Settings(host="127.0.0.1").address(1) == "127.0.0.1:1"


async def test_head_is_answered_like_get_without_a_body() -> None:
    """Probes of proxies and clients that look before they load."""
    async with running() as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        head, get = await http.head("/where"), await http.get("/where")
        assert (await http.head("/count")).status_code == 405
    assert head.content == b""
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(get.content)))


async def test_a_prefix_may_be_left_on_or_taken_off_by_the_proxy() -> None:
    """The same route either way, which knows its prefix."""
    async with running(http_path_prefix="/pose") as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        answers = [(await http.get(path)).json() for path in ("/where", "/pose/where")]
    assert answers == [{"path": "/pose/where", "root": "/pose"}] * 2


async def test_idle_time_of_a_connection_is_a_setting() -> None:
    """Proxies keep theirs for a minute; a server that closes earlier makes them fail."""
    async with running(http_keepalive_s=75) as server:
        assert server._server is not None
        assert server._server.config.timeout_keep_alive == 75


async def test_connections_above_the_limit_are_refused() -> None:
    """One that rests counts as well."""
    async with running(max_connections=1) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        answer = await replied("127.0.0.1", server.port, HEAD + b"Connection: close\r\n\r\n")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")


# -- heads of requests ------------------------------------------------------------------------------------

TOO_LARGE = {
    "a header without end": HEAD + b"X: " + b"x" * 2 * MAX_HEAD_BYTES,
    "a path without end": b"GET /" + b"x" * 2 * MAX_HEAD_BYTES,
    "a long header": HEAD + b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
    "many headers": HEAD + b"a:\r\n" * (MAX_HEADERS + 1) + b"\r\n",
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_a_head_above_the_limit_is_refused(name: str) -> None:
    """By its bytes or its number of headers, whether it ends or not."""
    async with running() as server:
        answer = await replied("127.0.0.1", server.port, TOO_LARGE[name])
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"request_header_fields_too_large"' in answer


async def test_trailers_are_bounded_like_headers() -> None:
    """They come after a body, and are headers for the parser."""
    body = b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    async with running() as server:
        answer = await replied("127.0.0.1", server.port, body + b"X: " + b"x" * 16 * MAX_HEAD_BYTES)
    assert b" 200 " not in answer


async def test_heads_below_the_limit_and_long_bodies_are_taken() -> None:
    """Many headers, a body of many times the head's limit, and the next request on the same connection."""
    headers = {f"x-{number}": "y" * 100 for number in range(MAX_HEADERS // 2)}
    async with running() as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for _ in range(3):
            answer = await http.post("/count", headers=headers, content=bytes(10 * MAX_HEAD_BYTES))
            assert answer.json() == 10 * MAX_HEAD_BYTES
        assert len(without_delay(server.port)) == 1


@pytest.mark.parametrize("begun", [b"", b"GET /", HEAD + b"X: "])
async def test_a_head_that_does_not_come_is_given_up(begun: bytes) -> None:
    """Slow and silent clients hold no connection for long."""
    async with running(http_head_timeout_s=0.05) as server:
        answer = await replied("127.0.0.1", server.port, begun)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_what_is_no_http_is_a_problem() -> None:
    """Typed as every other error."""
    async with running() as server:
        answer = await replied("127.0.0.1", server.port, b"\x16\x03\x01\x00\x05\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_request"' in answer
