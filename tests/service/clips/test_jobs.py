"""Clip jobs whose callers leave, or whose store is away, at the worst moment."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.auth.api_keys import ANYONE
from service.clips.job import ClipJob
from service.clips.jobs import ClipJobs
from service.clips.places import ClipPlaces
from service.config import Settings
from service.errors import StoreUnavailable
from service.redis.client import connected
from tests.support.clips import make_clip
from tests.support.pipelines import running
from tests.support.trackers import FakeTracker


@asynccontextmanager
async def clip_jobs(places: ClipPlaces | None = None) -> AsyncIterator[ClipJobs]:
    """Room for one clip."""
    async with running(FakeTracker()) as pipeline, ClipJobs(pipeline, Settings(max_clip_jobs=1), places) as jobs:
        yield jobs


async def received(jobs: ClipJobs, clip: bytes) -> ClipJob:
    """A job with its clip."""
    job = await jobs.open(ANYONE)
    async with jobs.upload(job) as file:
        await jobs.storage.write(file, clip)
    return job


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten pictures."""
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4").read_bytes()


async def test_a_job_is_discarded_though_whoever_asks_for_it_leaves(clip: bytes) -> None:
    """At whatever moment: its place and its folder are free again."""
    async with clip_jobs() as jobs:
        for moment in range(6):
            job = await received(jobs, clip)
            await jobs.start(job)
            leaving = asyncio.create_task(jobs.discard(job))
            for _ in range(1 + moment):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, *jobs._clearing, return_exceptions=True)
            assert jobs.storage.quota.total == 0
            assert not _exists(job.folder)


async def test_a_job_that_could_not_begin_is_known_to_nobody(clip: bytes, redis_url: str) -> None:
    """Redis has its place and its answer was lost: the place goes with the job."""

    class Lossy(ClipPlaces):
        async def started(self, clip_id: str) -> None:
            await super().started(clip_id)
            raise StoreUnavailable

    settings = Settings(redis_prefix=f"test-{secrets.token_hex(8)}")
    async with connected(redis_url, 20) as client:
        places = Lossy(client, settings, "http://10.0.0.1:8000")
        async with clip_jobs(places) as jobs:
            job = await received(jobs, clip)
            with pytest.raises(StoreUnavailable):
                await jobs.start(job)
            assert await places.find(job.id) is not None
            await jobs.discard(job)
            assert await places.find(job.id) is None


def _exists(path: Path) -> bool:
    return path.exists()
