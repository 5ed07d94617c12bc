"""A server that speaks TLS only: HTTP, WebSocket and gRPC."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets

from kinepose_client import AsyncClient, Client, Picture, Unreachable
from service.processes.frontend import RunningServer
from service.transports.http.server import StartFailed
from tests.support.keys import Certificate, Keys, make_certificate
from tests.support.server import free_ports, jpegs

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of the server."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def encrypted(weights: Path, keys: Keys, certificate: Certificate) -> AsyncIterator[RunningServer]:
    """A server that wants a key and speaks TLS only."""
    settings = free_ports(
        weights,
        api_keys_file=keys.file,
        tls_cert_file=certificate.cert_file,
        tls_key_file=certificate.key_file,
    )
    async with RunningServer(settings) as running:
        yield running


@pytest.mark.parametrize("transport", ["http", "grpc"])
async def test_tls_from_end_to_end(
    transport: str, encrypted: RunningServer, keys: Keys, certificate: Certificate
) -> None:
    """Who trusts the certificate and has a key gets joints, blocking or not."""
    address = (encrypted.http_url, None) if transport == "http" else (None, encrypted.grpc_target)
    access: Any = {"api_key": keys.by_name["robot"], "root_certificates": certificate.pem}

    def blocking() -> int:
        with Client(*address, **access) as client:
            return client.send_frame(client.create_session().session_id, Picture(jpegs(1)[0])).seq

    async with AsyncClient(*address, **access) as client:
        session = await client.create_session()
        assert (await client.send_frame(session.session_id, Picture(jpegs(1)[0]))).seq == 0
    assert await asyncio.to_thread(blocking) == 0


@pytest.mark.parametrize("transport", ["http", "grpc"])
@pytest.mark.parametrize("how", ["in the clear", "trusting another"])
async def test_nothing_else_comes_in(transport: str, how: str, encrypted: RunningServer, tmp_path: Path) -> None:
    """Neither in the clear nor with a certificate of somebody else."""
    url = encrypted.http_url if how == "trusting another" else encrypted.http_url.replace("https", "http")
    address = (url, None) if transport == "http" else (None, encrypted.grpc_target)
    trusted = make_certificate(tmp_path).pem if how == "trusting another" else None

    async with AsyncClient(*address, root_certificates=trusted, timeout_s=20) as client:
        with pytest.raises(Unreachable):
            await client.models()


async def test_a_browsers_stream_is_encrypted_too(
    encrypted: RunningServer, keys: Keys, certificate: Certificate
) -> None:
    """wss:// on the same port."""
    trusted = ssl.create_default_context(cafile=certificate.cert_file)
    async with httpx.AsyncClient(
        base_url=encrypted.http_url, verify=trusted, headers=keys.header("robot"), timeout=60
    ) as http:
        session_id = (await http.post("/v1/sessions")).json()["session_id"]
    url = f"wss://127.0.0.1:{encrypted.http_port}/v1/sessions/{session_id}/stream"
    async with websockets.connect(url, ssl=trusted, additional_headers=keys.header("robot")) as socket:
        await socket.send(jpegs(1)[0])
        assert '"outcome":"ok"' in str(await socket.recv())


async def test_a_broken_certificate_fails_the_start(weights: Path, certificate: Certificate, tmp_path: Path) -> None:
    """With an error, not with a port in the clear."""
    broken = tmp_path / "cert.pem"
    broken.write_text("no certificate")
    settings = free_ports(weights, tls_cert_file=broken, tls_key_file=certificate.key_file)
    with pytest.raises(StartFailed):
        async with RunningServer(settings):
            pass
