"""Overlays over HTTP: a drawing that is lost or left costs its own clip's overlay, and nothing else."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from service.auth.api_keys import ANYONE
from service.clips.job import ClipJob
from service.media.readers import ClipReaders, Drawing
from service.processes.frontend import RunningServer
from tests.support.server import jpegs, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER = {"Prefer": "respond-async"}


async def finished(server: RunningServer, http: httpx.AsyncClient, clip: bytes) -> tuple[ClipJob, str]:
    """A job that is done, and where its overlay is."""
    location = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    async with asyncio.timeout(120):
        while (await http.get(location)).json()["status"] != "done":
            pass
    return server.services.jobs.get(location.rpartition("/")[2], ANYONE), f"{location}/overlay.mp4"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Drawing]:
    """All drawings that begin, in order."""
    drawings: list[Drawing] = []
    real = ClipReaders.drawing

    def noted(readers: ClipReaders, file_bytes: int) -> Drawing:
        drawings.append(real(readers, file_bytes))
        return drawings[-1]

    monkeypatch.setattr(ClipReaders, "drawing", noted)
    return drawings


@asynccontextmanager
async def drawn(
    http: httpx.AsyncClient, job: ClipJob, overlay: str, begun: list[Drawing]
) -> AsyncIterator[tuple["asyncio.Task[httpx.Response]", subprocess.Popen[bytes]]]:
    """A request for an overlay whose drawing waits for its results, and the process that draws."""
    kept = job.folder / "kept"
    job.results_path.rename(kept)
    os.mkfifo(job.results_path)
    request = asyncio.create_task(http.get(overlay))
    pipe = await asyncio.to_thread(os.open, job.results_path, os.O_WRONLY)
    process = begun[-1]._process
    assert process is not None
    try:
        yield request, process._process
    finally:
        os.close(pipe)
        if kept.exists():
            kept.replace(job.results_path)


async def test_a_drawing_that_dies_answers_its_own_clip_alone(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, begun: list[Drawing]
) -> None:
    """`overlay_failed`; its joints stay, and frames, clips and overlays of others are answered; then it is drawn."""
    job, overlay = await finished(server, http, clip)
    _, others = await finished(server, http, clip)
    async with drawn(http, job, overlay, begun) as (request, process):
        process.kill()
        lost = await request
        session = (await http.post("/v1/sessions")).headers["location"]
        picture = await http.post(f"{session}/frames", files={"file": ("a.jpg", jpegs(1)[0], "image/jpeg")})

        assert status_and_code(lost) == (500, "overlay_failed")
        assert picture.status_code == 200
        assert (await http.get(others)).status_code == 200
        assert (await http.post("/v1/clips", content=clip)).status_code == 200
    assert not job.drawing_path.exists()
    assert len((await http.get(overlay.replace("overlay.mp4", "poses"))).json()["frames"]) == 10
    assert (await http.get(overlay)).status_code == 200


async def test_a_client_who_leaves_ends_the_drawing(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, begun: list[Drawing]
) -> None:
    """Its process, its place and its file; the next who asks gets the overlay."""
    job, overlay = await finished(server, http, clip)
    async with drawn(http, job, overlay, begun) as (request, process):
        request.cancel()
        await asyncio.to_thread(process.wait, 60)
        async with job.overlay_lock:
            assert not job.drawing_path.exists()
    assert (await http.get(overlay)).status_code == 200


async def test_a_job_that_is_cleared_away_ends_its_drawing(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, begun: list[Drawing]
) -> None:
    """Whoever waits for it is told, and nothing of it stays."""
    job, overlay = await finished(server, http, clip)
    async with drawn(http, job, overlay, begun) as (request, process):
        assert (await http.delete(Path(overlay).parent.as_posix())).status_code == 204
        assert status_and_code(await request) == (404, "clip_unknown")
        assert process.returncode is not None
        assert not job.folder.exists()
