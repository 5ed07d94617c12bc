"""Webhooks of clip jobs, at a real receiver."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from kinepose_client import AsyncClient, Client, ClipJob
from kinepose_client.errors import BadClip, ClipUnknown, UnsupportedMedia, WebhookRefused
from service.processes.frontend import RunningServer
from service.transports.http.server import StartFailed
from tests.support.clips import make_clip
from tests.support.keys import Keys
from tests.support.pipelines import counted, until
from tests.support.receiver import (
    OTHER_SECRET,
    SECRET,
    SILENCE,
    Received,
    Receiver,
    receiving,
    secrets_file,
)
from tests.support.server import free_ports, status_and_code

LATER = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One that is still at work when its client has said what comes next."""
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", count=500).read_bytes()


@asynccontextmanager
async def telling(
    weights: Path, receiver: Receiver, secrets: Path, **changes: Any
) -> AsyncIterator[tuple[RunningServer, httpx.AsyncClient]]:
    """A server that may send webhooks to the receiver, and a client of it."""
    chosen: dict[str, Any] = {
        "webhook_inside_hosts": (f"http://127.0.0.1:{receiver.port}",),
        "webhook_secrets_file": secrets,
    }
    async with (
        RunningServer(free_ports(weights, **chosen | changes)) as server,
        httpx.AsyncClient(base_url=server.http_url, timeout=60) as http,
    ):
        yield server, http


async def begun(http: httpx.AsyncClient, clip: bytes, url: str, **more: Any) -> dict[str, Any]:
    """A clip job that is to tell that URL of its end."""
    answer = await http.post("/v1/clips", content=clip, params={"webhook": url}, headers=LATER | more)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def verified(received: Received, secret: str = SECRET) -> Any:
    """The message, once another's implementation of the scheme has found its signature right."""
    return Webhook(secret).verify(received.body, received.headers)


async def ended(server: RunningServer, outcome: str) -> None:
    """Wait until a webhook has ended so."""
    await until(lambda: counted(server.services.pipeline, "webhooks_total", outcome=outcome) == 1)


async def test_a_job_that_is_done_tells_how_and_where_its_results_are(
    weights: Path, clip: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed with every secret; no joints and no pictures; and the log knows no path of the receiver."""
    caplog.set_level(logging.INFO)
    secrets = secrets_file(tmp_path, SECRET, OTHER_SECRET)
    async with receiving() as receiver, telling(weights, receiver, secrets) as (server, http):
        job = await begun(http, clip, f"http://127.0.0.1:{receiver.port}/hook?token=abc")
        received = await receiver.requests.get()
        message = verified(received)
        await ended(server, "delivered")
        poses = await http.get(message["data"]["links"]["poses"])

    assert received.line == "POST /hook?token=abc HTTP/1.1"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["webhook-id"] == f"msg_{job['id']}"
    assert verified(received, OTHER_SECRET) == message
    assert message["type"] == "clip.done"
    path = f"/v1/clips/{job['id']}"
    assert message["data"] == {
        "id": job["id"],
        "status": "done",
        "frames": 10,
        "error": None,
        "links": {"job": path, "poses": f"{path}/poses", "overlay": f"{path}/overlay.mp4"},
    }
    assert len(poses.json()["frames"]) == 10
    assert any("delivered" in record.getMessage() for record in caplog.records)
    assert "token" not in caplog.text
    assert SECRET not in caplog.text


async def test_a_job_that_failed_is_told_too(weights: Path, tmp_path: Path) -> None:
    """With its error, and nothing to fetch."""
    async with receiving() as receiver, telling(weights, receiver, secrets_file(tmp_path)) as (_, http):
        await begun(http, b"no clip at all", f"http://127.0.0.1:{receiver.port}/")
        message = verified(await receiver.requests.get())

    assert message["type"] == "clip.failed"
    assert message["data"]["status"] == "failed"
    assert message["data"]["error"]["code"] in ("bad_clip", "unsupported_media")
    assert message["data"]["links"]["poses"] is None


@pytest.mark.parametrize("form", [False, True], ids=["query", "form"])
async def test_a_host_that_is_not_listed_is_refused_with_the_call(
    weights: Path, clip: bytes, tmp_path: Path, form: bool
) -> None:
    """Before any work, and its place is free again."""
    async with receiving() as receiver, telling(weights, receiver, secrets_file(tmp_path)) as (server, http):
        said = {"webhook": "https://evil.example/"}
        body: dict[str, Any] = (
            {"data": said, "files": {"file": ("a.mp4", clip)}} if form else {"params": said, "content": clip}
        )
        refused = await http.post("/v1/clips", headers=LATER, **body)

        assert status_and_code(refused) == (422, "webhook_refused")
        assert server.services.webhooks.room.total == 0
        assert counted(server.services.pipeline, "frames_total", transport="clip", outcome="ok") == 0


async def test_a_client_that_waits_for_the_answer_wants_no_webhook(weights: Path, clip: bytes, tmp_path: Path) -> None:
    """It is refused: a job in the background has one."""
    async with receiving() as receiver, telling(weights, receiver, secrets_file(tmp_path)) as (_, http):
        answer = await http.post("/v1/clips", content=clip, params={"webhook": f"http://127.0.0.1:{receiver.port}/"})
    assert status_and_code(answer) == (422, "bad_request")


async def test_a_key_has_its_share_of_webhooks(weights: Path, clip: bytes, tmp_path: Path, keys: Keys) -> None:
    """One that waits for its receiver counts; what was refused leaves nothing behind."""
    limits = {"max_webhooks_per_key": 1, "api_keys_file": keys.file, "webhook_timeout_s": 0.5}
    secrets = secrets_file(tmp_path)
    async with receiving(SILENCE) as receiver, telling(weights, receiver, secrets, **limits) as (_, http):
        url = f"http://127.0.0.1:{receiver.port}/"
        await begun(http, clip, url, **keys.header("robot"))
        await receiver.requests.get()
        asked: dict[str, Any] = {"content": clip, "params": {"webhook": url}}
        refused = await http.post("/v1/clips", **asked, headers=LATER | keys.header("robot"))
        other = await http.post("/v1/clips", **asked, headers=LATER | keys.header("drone"))

    assert status_and_code(refused) == (429, "queue_full")
    assert other.status_code == 202


async def test_a_job_that_is_deleted_tells_nobody(weights: Path, long_clip: bytes, tmp_path: Path) -> None:
    """Its room is free again."""
    async with receiving() as receiver, telling(weights, receiver, secrets_file(tmp_path)) as (server, http):
        job = await begun(http, long_clip, f"http://127.0.0.1:{receiver.port}/")
        deleted = await http.delete(f"/v1/clips/{job['id']}")

        assert deleted.status_code == 204
        assert server.services.webhooks.room.total == 0
    assert receiver.requests.empty()


async def test_a_clip_that_a_shutdown_breaks_off_is_told(weights: Path, long_clip: bytes, tmp_path: Path) -> None:
    """As failed, so that its client sends it again elsewhere."""
    async with receiving() as receiver:
        async with telling(weights, receiver, secrets_file(tmp_path), drain_grace_s=0.0) as (_, http):
            await begun(http, long_clip, f"http://127.0.0.1:{receiver.port}/")
        message = verified(receiver.requests.get_nowait())
    assert (message["data"]["status"], message["data"]["error"]["code"]) == ("failed", "draining")


async def test_secrets_that_cannot_be_read_fail_the_start(weights: Path, tmp_path: Path) -> None:
    """They would fail every webhook."""
    settings = free_ports(weights, webhook_hosts=("a.example",), webhook_secrets_file=tmp_path / "missing")
    with pytest.raises(StartFailed, match="missing"):
        async with RunningServer(settings):
            pass


async def test_the_python_client_begins_a_job_with_a_webhook_and_fetches_what_it_made(
    weights: Path, clip: bytes, tmp_path: Path
) -> None:
    """Awaiting and blocking; a job that was deleted is known no more."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)

    def blocking(url: str, webhook: str) -> ClipJob:
        with Client(url) as client:
            job = client.start_clip(path, webhook=webhook)
            return client.job(job.id)

    async with receiving() as receiver, telling(weights, receiver, secrets_file(tmp_path)) as (server, _):
        url = f"http://127.0.0.1:{receiver.port}/"
        async with AsyncClient(server.http_url) as client:
            job = await client.start_clip(path, webhook=url)
            message = verified(await receiver.requests.get())
            done = await client.job(job.id)
            await client.save_results(job.id, tmp_path / "table.csv", "csv")
            await client.delete_job(job.id)
            with pytest.raises(ClipUnknown):
                await client.job(job.id)
            other = await asyncio.to_thread(blocking, server.http_url, url)
            told = verified(await receiver.requests.get())
            with pytest.raises(WebhookRefused):
                await client.start_clip(path, webhook="https://evil.example/")

    assert message["data"]["id"] == job.id
    assert told["data"]["id"] == other.id
    assert done.finished
    assert done.clip is not None
    assert (done.status, done.clip.frames_emitted) == ("done", 10)
    assert (tmp_path / "table.csv").read_text().startswith("frame")


async def test_results_of_a_job_at_work_are_not_written(weights: Path, long_clip: bytes, tmp_path: Path) -> None:
    """Nor those of one that failed, which raises its error."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(long_clip)
    async with (
        receiving() as receiver,
        telling(weights, receiver, secrets_file(tmp_path), drain_grace_s=0.0) as (server, _),
        AsyncClient(server.http_url) as client,
    ):
        job = await client.start_clip(path)
        with pytest.raises(ValueError, match="still worked on"):
            await client.save_results(job.id, tmp_path / "a.csv", "csv")
        path.write_bytes(b"no clip at all")
        failed = await client.start_clip(path, webhook=f"http://127.0.0.1:{receiver.port}/")
        await receiver.requests.get()
        with pytest.raises((BadClip, UnsupportedMedia)):
            await client.save_results(failed.id, tmp_path / "a.csv", "csv")
    assert not (tmp_path / "a.csv").exists()
