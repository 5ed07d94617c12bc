"""Where clip jobs are, in a real Redis; and the address that a frontend tells the others."""

import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.clips.places import ClipPlaces, own_url
from service.config import Settings
from service.errors import StoreUnavailable
from service.redis.client import RedisClient, connected
from service.redis.keys import Keyspace

CLIP = "0b9d6f0a4b1e4c7c8f3c2a6d5e4f3b2a"
RESULT_TTL_S = 100.0
HERE = "http://10.0.0.1:8000"


@pytest.fixture
def settings() -> Settings:
    """Under a prefix of this test's own."""
    return Settings(redis_prefix=f"test-{secrets.token_hex(8)}", clip_result_ttl_s=RESULT_TTL_S)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    """Of the tests' Redis."""
    async with connected(redis_url, 20) as client:
        yield client


@pytest.fixture
async def nowhere(settings: Settings, tmp_path: Path) -> AsyncIterator[ClipPlaces]:
    """Places without a Redis."""
    async with connected(f"unix://{tmp_path}/no.sock", 1) as client:
        yield ClipPlaces(client, settings, HERE)


async def left_s(client: RedisClient, settings: Settings) -> float:
    """How long the job's entry lives if nobody touches it."""
    key = Keyspace(settings.redis_prefix, settings.redis_shards).clip(CLIP)
    return float(await client.pttl(key)) / 1000


async def test_a_job_is_found_from_its_beginning_until_its_result_is_gone(
    client: RedisClient, settings: Settings
) -> None:
    """By every frontend; its entry outlives its work, and then its result."""
    here, there = ClipPlaces(client, settings, HERE), ClipPlaces(client, settings, "http://10.0.0.2:8000")
    assert await there.find(CLIP) is None

    await here.started(CLIP)
    assert await there.find(CLIP) == HERE
    assert await left_s(client, settings) > 24 * 3600
    await here.finished(CLIP)
    assert await there.find(CLIP) == HERE
    assert RESULT_TTL_S < await left_s(client, settings) < 2 * RESULT_TTL_S
    await here.gone(CLIP)
    assert await there.find(CLIP) is None


@pytest.mark.parametrize("name", ["", "x", CLIP[1:], f"{CLIP}0", CLIP.upper(), f"{CLIP}\n", "{workers}", f"../{CLIP}"])
async def test_what_is_no_id_of_ours_is_never_asked_for(nowhere: ClipPlaces, name: str) -> None:
    """Redis would have to be there."""
    assert await nowhere.find(name) is None


async def test_without_redis_no_job_begins_and_none_is_found(nowhere: ClipPlaces) -> None:
    """Both say so. A job that ends has its result all the same."""
    for call in (nowhere.started, nowhere.find):
        with pytest.raises(StoreUnavailable):
            await call(CLIP)
    await nowhere.finished(CLIP)
    await nowhere.gone(CLIP)


@pytest.mark.parametrize(
    ("host", "advertised", "url"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8123"),
        ("::1", None, "http://[::1]:8123"),
        ("frontend-1", None, "http://frontend-1:8123"),
        ("0.0.0.0", "https://one.frontends.example:443/", "https://one.frontends.example:443"),
    ],
)
async def test_the_own_url_is_that_of_the_settings(host: str, advertised: str | None, url: str) -> None:
    """With the port that is really listened on."""
    assert await own_url(Settings(host=host, http_port=0, advertised_url=advertised), 8123) == url


async def test_tls_shows_in_the_own_url() -> None:
    """Its files need not be there to say so."""
    settings = Settings(tls_cert_file=Path("cert.pem"), tls_key_file=Path("key.pem"))
    assert await own_url(settings, 8443) == "https://127.0.0.1:8443"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_who_listens_on_all_addresses_is_reached_at_that_of_the_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its name stands for."""
    monkeypatch.setattr(socket, "gethostname", lambda: "127.0.0.9")
    assert await own_url(Settings(host=host), 8000) == "http://127.0.0.9:8000"


async def test_a_machine_that_does_not_know_its_name_is_told_by_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others may know it; the log names the setting that helps."""
    monkeypatch.setattr(socket, "gethostname", lambda: "no-such-machine.invalid")
    assert await own_url(Settings(host="0.0.0.0"), 8000) == "http://no-such-machine.invalid:8000"
    assert "KINEPOSE_ADVERTISED_URL" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "one:8000",
        "ftp://one",
        "http://",
        "http://one:port",
        "http://one:99999",
        "http://me:secret@one",
        "http://a?b",
    ],
)
def test_an_advertised_url_is_checked(url: str) -> None:
    """By name, and without telling it."""
    with pytest.raises(ValidationError, match="advertised_url") as raised:
        Settings(advertised_url=url)
    assert "secret" not in str(raised.value)
