"""Bytes of clips and results on disk: shares of keys, and what gives way to what."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from service.processes.frontend import RunningServer
from tests.support.keys import Keys, make_keys
from tests.support.server import free_ports, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

REGION = "5,5,40,50"
"""The random weights find nobody where nobody says where to look, and results without people take little room."""
LATER = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Three keys."""
    return make_keys(tmp_path_factory.mktemp("owners") / "keys.json", robot={}, drone={}, fleet={})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def spaced(weights: Path, owners: Keys, clip: bytes) -> AsyncIterator[RunningServer]:
    """A server with room for two clips and their results of each key, and for four in all."""
    one = len(clip) + 20_000
    settings = free_ports(
        weights, api_keys_file=owners.file, max_clip_bytes=4 * one, max_clip_bytes_per_key=2 * one, max_batch=1
    )
    async with RunningServer(settings) as server:
        yield server


async def finished(http: httpx.AsyncClient, clip: bytes, headers: dict[str, str]) -> str:
    """The location of a job that is done."""
    accepted = await http.post(f"/v1/clips?region={REGION}", content=clip, headers={**LATER, **headers})
    assert accepted.status_code == 202, accepted.text
    location: str = accepted.headers["location"]
    async with asyncio.timeout(120):
        while (job := (await http.get(location, headers=headers)).json())["status"] != "done":
            assert job["status"] != "failed", job
    return location


async def test_results_give_way_to_newer_clips_of_their_key_alone(
    spaced: RunningServer, owners: Keys, clip: bytes
) -> None:
    """A third and fourth clip push the first two out; another key's stay, and all bytes are given back in the end."""
    robot, drone = owners.header("robot"), owners.header("drone")
    async with httpx.AsyncClient(base_url=spaced.http_url, timeout=60) as http:
        kept = [await finished(http, clip, drone) for _ in range(2)]
        mine = [await finished(http, clip, robot) for _ in range(4)]
        assert [(await http.get(location, headers=drone)).status_code for location in kept] == [200, 200]
        left = [location for location in mine if (await http.get(location, headers=robot)).status_code == 200]
        assert mine[-1] in left
        assert mine[0] not in left
        for location in kept:
            await http.delete(location, headers=drone)
        for location in left:
            await http.delete(location, headers=robot)
    assert spaced.services.jobs.storage.quota.total == 0


async def test_a_clip_beyond_its_keys_share_is_refused(spaced: RunningServer, owners: Keys) -> None:
    """Where nothing of that key is left that could give way; what had come of it is gone."""
    share = spaced.settings.max_clip_bytes_per_key
    async with httpx.AsyncClient(base_url=spaced.http_url, timeout=60, headers=owners.header("fleet")) as http:
        assert status_and_code(await http.post("/v1/clips", content=bytes(share + 1))) == (429, "queue_full")
    assert spaced.services.jobs.storage.quota.total == 0
    assert not [path for path in spaced.services.jobs.storage.root.iterdir() if path.is_dir()]
