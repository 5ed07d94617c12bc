"""Two frontends, one worker, one Redis: a clip job is kept by the frontend that took it, and reached through both."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from service.clips.places import ClipPlaces
from service.processes.frontend import RunningServer
from service.processes.wiring import open_redis
from service.processes.worker import RunningWorker
from service.transports.http.relay import RELAYED, ClipRelay
from tests.support.keys import Keys, make_certificate, make_keys
from tests.support.server import free_ports, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINES = {"Accept": "application/x-ndjson"}
LATER = {"Prefer": "respond-async"}
PIECE = bytes(64 * 1024)
PIECES = 64

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Deployment:
    """Two frontends and a client of each, with the key `robot`."""

    keys: Keys
    shared: dict[str, Any]
    servers: list[RunningServer]
    clients: list[httpx.AsyncClient]

    @property
    def places(self) -> ClipPlaces:
        """Of the first frontend."""
        return places_of(self.servers[0])


def places_of(server: RunningServer) -> ClipPlaces:
    """Where it records its clip jobs."""
    relay = server.app.state.clip_relay
    assert isinstance(relay, ClipRelay)
    return relay.places


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deployment(
    redis_url: str, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """All tests here share it."""
    keys = make_keys(tmp_path_factory.mktemp("keys") / "keys.json", robot={}, drone={})
    shared = {"redis_url": redis_url, "redis_prefix": f"test-{secrets.token_hex(8)}", "redis_shards": 4}
    settings = free_ports(weights, max_batch=1, api_keys_file=keys.file, **shared)
    async with (
        RunningWorker(free_ports(weights, max_batch=1, **shared)),
        RunningServer(settings) as one,
        RunningServer(settings) as other,
        httpx.AsyncClient(base_url=one.http_url, timeout=60, headers=keys.header("robot")) as at_one,
        httpx.AsyncClient(base_url=other.http_url, timeout=60, headers=keys.header("robot")) as at_other,
    ):
        async with asyncio.timeout(60):
            for client in (at_one, at_other):
                while (await client.get("/readyz")).status_code != 200:
                    pass
        yield Deployment(keys, shared, [one, other], [at_one, at_other])


async def posted(http: httpx.AsyncClient, clip: bytes) -> str:
    """The location of a new job."""
    accepted = await http.post("/v1/clips", content=clip, headers=LATER)
    assert accepted.status_code == 202, accepted.text
    location: str = accepted.headers["location"]
    return location


async def done(http: httpx.AsyncClient, location: str) -> None:
    """Poll a job until it is done."""
    async with asyncio.timeout(120):
        while (job := (await http.get(location)).json())["status"] != "done":
            assert job["status"] in ("queued", "running"), job


async def test_a_job_is_used_through_a_frontend_that_does_not_keep_it(deployment: Deployment, clip: bytes) -> None:
    """Its status, its poses in both forms, its overlay whole and in part, as where it is kept; and its end."""
    here, there = deployment.clients
    location = await posted(here, clip)
    await done(there, location)

    document = await there.get(f"{location}/poses")
    assert len(document.json()["frames"]) == 10
    assert document.content == (await here.get(f"{location}/poses")).content
    lines = await there.get(f"{location}/poses", headers=LINES)
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()][:-1] == document.json()["frames"]
    overlay = await there.get(f"{location}/overlay.mp4")
    assert overlay.headers["content-type"] == "video/mp4"
    assert overlay.content == (await here.get(f"{location}/overlay.mp4")).content
    part = await there.get(f"{location}/overlay.mp4", headers={"Range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, overlay.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(overlay.content)}"

    assert (await there.delete(location)).status_code == 204
    for http in (here, there):
        assert status_and_code(await http.get(location)) == (404, "clip_unknown")
    assert await deployment.places.find(location.rpartition("/")[2]) is None


async def test_a_job_of_another_key_is_forbidden_through_any_frontend(deployment: Deployment, clip: bytes) -> None:
    """The frontend that keeps it says so."""
    here, there = deployment.clients
    location = await posted(here, clip)
    drone = deployment.keys.header("drone")

    for path in (location, f"{location}/poses", f"{location}/overlay.mp4"):
        assert status_and_code(await there.get(path, headers=drone)) == (403, "forbidden")
    assert status_and_code(await there.delete(location, headers=drone)) == (403, "forbidden")
    assert (await there.get(location)).status_code == 200
    assert (await there.get(location, headers={"authorization": ""})).status_code == 401


async def test_jobs_go_with_their_frontend(deployment: Deployment, weights: Path, clip: bytes) -> None:
    """Closed, it takes its jobs back; killed, it leaves their entries, and they say what happened."""
    _, there = deployment.clients
    settings = free_ports(weights, api_keys_file=deployment.keys.file, **deployment.shared)
    async with (
        RunningServer(settings) as ends,
        httpx.AsyncClient(base_url=ends.http_url, timeout=60, headers=there.headers) as http,
    ):
        location = await posted(http, clip)
        assert (await there.get(location)).status_code == 200
        url = places_of(ends).url
    clip_id = location.rpartition("/")[2]
    assert await deployment.places.find(clip_id) is None
    assert status_and_code(await there.get(location)) == (404, "clip_unknown")

    await entered(deployment, url, clip_id)
    lost = await there.get(f"{location}/poses")
    assert status_and_code(lost) == (404, "clip_unknown")
    assert "has ended" in lost.json()["detail"]


async def test_a_call_is_relayed_once_at_most(deployment: Deployment) -> None:
    """Also where a frontend finds itself under another name, and would ask itself for ever."""
    port = deployment.servers[0].http_port
    clip_id = await entered(deployment, f"http://localhost:{port}")
    for http in deployment.clients:
        unknown = await http.get(f"/v1/clips/{clip_id}")
        assert status_and_code(unknown) == (404, "clip_unknown")
        assert "has ended" not in unknown.json()["detail"]


async def test_without_redis_jobs_are_told_to_wait(weights: Path, tmp_path: Path, clip: bytes) -> None:
    """503, whether they are asked for or begin; one that cannot begin is not kept."""
    settings = free_ports(weights, redis_url=f"unix://{tmp_path}/no.sock", drain_grace_s=0.0)
    async with RunningServer(settings) as server, httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
        answers = [
            await http.get(f"/v1/clips/{uuid4().hex}/poses"),
            await http.post("/v1/clips", content=clip, headers=LATER),
        ]
        for answer in answers:
            assert status_and_code(answer) == (503, "store_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert status_and_code(await http.get("/v1/clips/no-id-of-ours")) == (404, "clip_unknown")


async def test_frontends_that_share_a_certificate_trust_each_other(
    deployment: Deployment, weights: Path, tmp_path: Path, clip: bytes
) -> None:
    """No authority has signed it."""
    made = make_certificate(tmp_path)
    settings = free_ports(
        weights, tls_cert_file=made.cert_file, tls_key_file=made.key_file, drain_grace_s=0.0, **deployment.shared
    )
    async with (
        RunningServer(settings) as one,
        RunningServer(settings) as other,
        # Its own certificate is not checked here; the frontends check each other's.
        httpx.AsyncClient(timeout=60, verify=False) as http,
    ):
        accepted = await http.post(f"{one.http_url}/v1/clips", content=clip, headers=LATER)
        answer = await http.get(f"{other.http_url}{accepted.headers['location']}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"] == accepted.json()["id"]


# -- on the wire ------------------------------------------------------------------------------------------


async def entered(deployment: Deployment, url: str, clip_id: str | None = None) -> str:
    """The id of a job that is said to be kept there; a new one where none is given."""
    clip_id, settings = clip_id or uuid4().hex, deployment.servers[0].settings
    async with open_redis(settings) as client:
        await ClipPlaces(client, settings, url).started(clip_id)
    return clip_id


@asynccontextmanager
async def holder(deployment: Deployment, talk: Talk) -> AsyncIterator[str]:
    """The path of a job's poses at a frontend that says what the test wants."""

    async def talk_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(talk_and_close, "127.0.0.1", 0)
    async with server:
        clip_id = await entered(deployment, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield f"/v1/clips/{clip_id}/poses"


async def test_a_call_arrives_as_it_was_made_and_its_answer_as_it_was_given(deployment: Deployment) -> None:
    """Path, query and what belongs to the call; not what belongs to a connection, nor a cookie."""
    heard: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend((await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines())
        writer.write(
            b"HTTP/1.1 206 Partial Content\r\nContent-Type: video/x\r\nContent-Encoding: br\r\nContent-Length: 2\r\n"
            b"Accept-Ranges: bytes\r\nDate: then\r\nX-Request-Id: mine\r\nX-Hop: 1\r\nConnection: close, x-hop\r\n"
            b"\r\nab"
        )
        await writer.drain()

    sent = {
        "Accept": "video/x",
        "Range": "bytes=0-1",
        "X-Request-Id": "call-7",
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "Accept-Encoding": "br",
        "Cookie": "private",
    }
    there = deployment.clients[1]
    async with holder(deployment, talk) as path, there.stream("GET", f"{path}?a=%20b&c", headers=sent) as answer:
        body = b"".join([piece async for piece in answer.aiter_raw()])

    assert heard[0] == f"get {path}?a=%20b&c http/1.1"
    expected = {**sent, "Authorization": there.headers["authorization"], RELAYED: "1"}
    del expected["Cookie"]
    assert {f"{name}: {value}".lower() for name, value in expected.items()} <= set(heard)
    assert not any(line.startswith("cookie") for line in heard)
    assert (answer.status_code, body) == (206, b"ab")
    kept = {"content-type": "video/x", "content-encoding": "br", "content-length": "2", "accept-ranges": "bytes"}
    assert kept.items() <= dict(answer.headers).items()
    assert answer.headers.get_list("x-request-id") == ["call-7"]
    assert len(answer.headers.get_list("date")) == 1
    assert "then" not in answer.headers["date"]
    assert "x-hop" not in answer.headers


async def test_a_big_answer_is_passed_on_piece_by_piece(deployment: Deployment) -> None:
    """Each is at the client before the next one is made: nothing collects them on the way."""
    wanted = asyncio.Semaphore(1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
        for _ in range(PIECES):
            await wanted.acquire()
            writer.write(PIECE)
            await writer.drain()

    got = 0
    async with (
        holder(deployment, talk) as path,
        asyncio.timeout(60),
        deployment.clients[1].stream("GET", path) as answer,
    ):
        async for data in answer.aiter_raw():
            before, got = got // len(PIECE), got + len(data)
            for _ in range(got // len(PIECE) - before):
                wanted.release()
    assert got == PIECES * len(PIECE)


async def test_a_client_that_goes_away_ends_the_relayed_call(deployment: Deployment) -> None:
    """Before its answer begins, and in the midst of it: the holder sees its connection end."""
    began, ended = asyncio.Semaphore(0), asyncio.Semaphore(0)
    beginnings = iter([b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(beginnings))
        began.release()
        assert await reader.read() == b""
        ended.release()

    async with holder(deployment, talk) as path, asyncio.timeout(60):
        for _ in range(2):
            call = asyncio.create_task(deployment.clients[1].get(path))
            await began.acquire()
            call.cancel()
            await ended.acquire()


async def test_an_answer_that_breaks_off_does_not_look_whole(deployment: Deployment) -> None:
    """The holder was killed in the midst of it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()

    async with holder(deployment, talk) as path:
        with pytest.raises(httpx.RemoteProtocolError):
            await deployment.clients[1].get(path)


async def test_a_call_that_no_client_library_would_make_is_relayed_or_refused(deployment: Deployment) -> None:
    """Odd letters in a query and a header are passed on; a query that is too long for a URL is a bad request."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()

    server, key = deployment.servers[1], deployment.keys.header("robot")["authorization"].encode()
    async with holder(deployment, talk) as path:
        longest = b"a" * (65_530 - len(path))
        for query, status in ((b'<"%20>%zz', b"204"), (longest, b"422")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
            writer.write(b"GET %s?%s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n" % (path.encode(), query, key))
            writer.write(b"Accept: \xe9\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 %s " % status), answer
    assert len(heard) == 1
    assert heard[0].startswith(b"GET %s?%%3C%%22%%20%%3E%%zz HTTP/1.1\r\n" % path.encode())
    assert b"accept: \xe9\r\n" in heard[0].lower()
