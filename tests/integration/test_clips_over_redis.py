"""A clip that a worker decodes from its file gives what one process gives, bit for bit, with a real network."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.processes.frontend import RunningServer
from service.processes.worker import RunningWorker
from tests.support.clips import make_clip
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, AsyncStub, anonymous, chunks, each, free_ports

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAMES = 8


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Clips by what is odd about them."""
    folder = tmp_path_factory.mktemp("films")
    pictures = [smooth_picture(*SIZE, seed=number) for number in range(FRAMES)]
    plain = make_clip(folder / "plain.mp4", pictures=pictures).read_bytes()
    frequent_keys = make_clip(folder / "keys.mkv", pictures=3 * pictures, quality={"g": "4"}).read_bytes()
    return {
        "plain": plain,
        "turned": make_clip(folder / "turned.mp4", pictures=pictures, turn=(90.0, False, False)).read_bytes(),
        "vp9": make_clip(folder / "film.webm", "libvpx-vp9", pictures=pictures).read_bytes(),
        "mpeg4": make_clip(folder / "film.avi", "mpeg4", pictures=pictures).read_bytes(),
        "cut off": frequent_keys[: 2 * len(frequent_keys) // 3],
        "damaged": frequent_keys[:900] + bytes(64) + frequent_keys[964:],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def over_redis(redis_url: str, weights: Path) -> AsyncIterator[AsyncStub]:
    """A frontend with a worker behind it."""
    shared = {"redis_url": redis_url, "redis_prefix": f"test-{secrets.token_hex(8)}", "redis_shards": 4}
    async with (
        RunningWorker(free_ports(weights, **shared)),
        RunningServer(free_ports(weights, **shared)) as server,
        httpx.AsyncClient(base_url=server.http_url, timeout=60) as http,
        grpc.aio.insecure_channel(server.grpc_target) as channel,
    ):
        async with asyncio.timeout(60):
            while (await http.get("/readyz")).status_code != 200:
                pass
        yield PoseServiceStub(channel)


async def estimated(stub: AsyncStub, data: bytes) -> list[bytes]:
    """All results of a clip."""
    options = pb.ClipOptions(region=pb.Region(x=5, y=5, w=40, h=50))
    return [anonymous(result) async for result in stub.EstimateClip(each(chunks(data, options=options)))]


@pytest.mark.parametrize("name", ["plain", "turned", "vp9", "mpeg4", "cut off", "damaged"])
async def test_a_clip_gives_the_same_bytes_over_redis(
    stub: AsyncStub, over_redis: AsyncStub, films: dict[str, bytes], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Joints, sizes, turns, times and gaps; and no frame came as pixels."""
    results = await estimated(over_redis, films[name])
    assert "pixels" not in caplog.text
    assert results == await estimated(stub, films[name])
    assert len(results) >= FRAMES
