"""The disk that clips lie on is full: said so, with a code of its own, and nothing half-written stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.auth.api_keys import ANYONE
from service.clips.job import ClipJob
from service.processes.frontend import RunningServer
from tests.support.server import AsyncStub, chunks, each, free_ports, grpc_status_and_error, into, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER = {"Prefer": "respond-async"}
# Whatever is written there meets a full disk.
FULL = Path("/dev/full")


@pytest_asyncio.fixture(loop_scope="session")
async def full(weights: Path) -> AsyncIterator[RunningServer]:
    """A server that wants more free space than any disk has."""
    async with RunningServer(free_ports(weights, min_free_disk_bytes=2**62)) as running:
        yield running


def left_over(server: RunningServer) -> list[Path]:
    """Clips' folders on its disk."""
    return [path for path in server.services.jobs.storage.root.iterdir() if path.is_dir()]


async def test_a_server_without_space_takes_no_clips_and_is_not_ready(full: RunningServer, clip: bytes) -> None:
    """507 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo; probes and health say so."""
    async with (
        httpx.AsyncClient(base_url=full.http_url, timeout=60) as http,
        grpc.aio.insecure_channel(full.grpc_target) as channel,
    ):
        refused = await http.post("/v1/clips", content=clip)
        assert status_and_code(refused) == (507, "storage_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert status_and_code(await http.get("/readyz")) == (507, "storage_full")
        assert (await http.get("/healthz")).status_code == 200
        checked = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert checked.status == health_pb2.HealthCheckResponse.NOT_SERVING
        stub: AsyncStub = PoseServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await into([], stub.EstimateClip(each(chunks(clip))))
        code, error = grpc_status_and_error(caught.value)
        assert (code, error.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "storage_full")
        assert error.retry_after_ms is not None
    assert not left_over(full)


@pytest.mark.parametrize("form", [False, True])
async def test_an_upload_that_fills_the_disk_is_told_so(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, form: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raw or in a form; its folder is gone, and the next clip is taken."""
    monkeypatch.setattr(ClipJob, "clip_path", FULL)
    before = left_over(server)
    body = {"files": {"file": ("a.mp4", clip, "video/mp4")}} if form else {"content": clip}
    refused = await http.post("/v1/clips", **body)
    assert status_and_code(refused) == (507, "storage_full")
    assert int(refused.headers["retry-after"]) >= 1
    assert left_over(server) == before
    monkeypatch.undo()
    assert (await http.post("/v1/clips", content=clip)).status_code == 200


async def test_an_upload_over_grpc_that_fills_the_disk_is_told_so(
    stub: AsyncStub, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same code."""
    monkeypatch.setattr(ClipJob, "clip_path", FULL)
    with pytest.raises(grpc.RpcError) as caught:
        await into([], stub.EstimateClip(each(chunks(clip))))
    assert grpc_status_and_error(caught.value)[1].code == "storage_full"


async def test_results_that_fill_the_disk_fail_their_clip(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once or as a job; what a failed job wrote is removed at once."""
    monkeypatch.setattr(ClipJob, "results_path", FULL)
    assert status_and_code(await http.post("/v1/clips", content=clip)) == (507, "storage_full")
    before = left_over(server)
    location = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    async with asyncio.timeout(60):
        while (job := (await http.get(location)).json())["status"] != "failed":
            pass
        while left_over(server) != before:
            await http.get(location)
    assert job["error"]["code"] == "storage_full"
    assert status_and_code(await http.get(f"{location}/poses")) == (507, "storage_full")


async def test_an_overlay_that_fills_the_disk_is_told_so(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes
) -> None:
    """The joints stay; nothing half-drawn does, and the overlay is drawn once there is room."""
    location = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    async with asyncio.timeout(60):
        while (await http.get(location)).json()["status"] != "done":
            pass
    job = server.services.jobs.get(location.rpartition("/")[2], ANYONE)
    job.drawing_path.symlink_to(FULL)  # The link is what is cleared away, not the device.
    assert status_and_code(await http.get(f"{location}/overlay.mp4")) == (507, "storage_full")
    assert len((await http.get(f"{location}/poses")).json()["frames"]) == 10
    assert not job.drawing_path.is_symlink()
    assert (await http.get(f"{location}/overlay.mp4")).status_code == 200
