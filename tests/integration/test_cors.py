"""Calls from pages of other servers: none may read an answer unless the settings name its origin."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import websockets
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from service.config import Settings
from service.processes.frontend import RunningServer
from service.transports.http.cors import may_connect
from tests.support.keys import Keys
from tests.support.server import free_ports, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRIEND, STRANGER = "https://lab.example", "https://elsewhere.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def friendly(weights: Path, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with keys that one other origin may call."""
    settings = free_ports(weights, api_keys_file=keys.file, cors_origins=f"{FRIEND}, https://b.example")
    async with RunningServer(settings) as running, httpx.AsyncClient(base_url=running.http_url, timeout=60) as client:
        yield client


async def test_no_other_page_may_read_answers_unless_it_is_named(http: httpx.AsyncClient) -> None:
    """Off by default."""
    answer = await http.get("/v1/models", headers={"Origin": FRIEND})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_named_origin_is_let_in_with_a_key(friendly: httpx.AsyncClient, keys: Keys) -> None:
    """Preflights bring no key and are answered; the call itself needs one, and its refusal can be read, too."""
    preflight = await friendly.options("/v1/images", headers={"Origin": FRIEND, **PREFLIGHT})
    refused = await friendly.get("/v1/models", headers={"Origin": FRIEND})
    answered = await friendly.get("/v1/models", headers={"Origin": FRIEND, **keys.header("robot")})

    assert [answer.status_code for answer in (preflight, refused, answered)] == [200, 401, 200]
    for answer in (preflight, refused, answered):
        assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "Location" in answered.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answered.headers


@pytest.mark.parametrize(
    ("origin", "opens"),
    [(None, True), ("its own", True), (FRIEND, True), (STRANGER, False), ("null", False), ("https://[", False)],
)
async def test_a_websocket_is_opened_by_pages_of_this_server_and_named_ones(origin: str | None, opens: bool) -> None:
    """Browsers let any page open one and read it; what is no browser says no origin."""
    headers = {"host": "pose.example:8000"}
    if origin is not None:
        headers["origin"] = "https://POSE.example:8000" if origin == "its own" else origin
    assert may_connect(headers, Settings(cors_origins=(FRIEND,))) is opens


async def test_a_websocket_of_another_servers_page_is_refused(server: RunningServer, http: httpx.AsyncClient) -> None:
    """At the handshake."""
    url = f"ws://127.0.0.1:{server.http_port}/v1/sessions/{await opened(http)}/stream"
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(url, origin=Origin(STRANGER))
    assert refused.value.response.status_code == 403
    async with websockets.connect(url, origin=Origin(server.http_url)):
        pass


async def test_others_are_not(friendly: httpx.AsyncClient, keys: Keys) -> None:
    """Their preflight is refused, and no answer is theirs to read."""
    preflight = await friendly.options("/v1/images", headers={"Origin": STRANGER, **PREFLIGHT})
    answered = await friendly.get("/v1/models", headers={"Origin": STRANGER, **keys.header("robot")})

    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in answered.headers


@pytest.mark.parametrize("origins", ["lab.example", "https://lab.example/", "ftp://lab.example"])
async def test_what_is_no_origin_fails_the_start(origins: str) -> None:
    """A path, or another scheme, would match nothing."""
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(cors_origins=origins)  # type: ignore[arg-type]
