"""One real server for the integration tests, on free ports, with random weights."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from service.app import RunningServer
from service.pb.pose_pb2_grpc import PoseServiceStub
from tests.support.clips import make_clip
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, AsyncStub, free_ports
from tests.support.weights import save_random_lite


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 of ten pictures."""
    pictures = [smooth_picture(*SIZE, seed=seed) for seed in range(10)]
    return make_clip(tmp_path_factory.mktemp("clips") / "ten.mp4", pictures=pictures).read_bytes()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(weights: Path) -> AsyncIterator[RunningServer]:
    """A server that all tests share."""
    async with RunningServer(free_ports(weights)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tight_server(weights: Path) -> AsyncIterator[RunningServer]:
    """A server with room for one session, one clip, and 1000 bytes of it."""
    settings = free_ports(weights, max_batch=1, max_sessions=1, max_clip_jobs=1, max_body_bytes=1000)
    async with RunningServer(settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the shared server."""
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def stub(server: RunningServer) -> AsyncIterator[AsyncStub]:
    """A gRPC stub of the shared server."""
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:
        yield PoseServiceStub(channel)
