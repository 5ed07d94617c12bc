"""One real server for the integration tests, on free ports, with random weights."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.keys import Keys, make_keys
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


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Two keys without limits, one of an operator, and three that may do little."""
    return make_keys(
        tmp_path_factory.mktemp("keys") / "keys.json",
        robot={},
        drone={},
        operator={},
        slow={"frames_per_s": 1, "clips_per_minute": 1},
        rare={"sessions_per_minute": 1},
        small={"max_sessions": 1},
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(weights: Path, keys: Keys) -> AsyncIterator[RunningServer]:
    """A server that wants a key."""
    async with RunningServer(free_ports(weights, api_keys_file=keys.file)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def robot(guarded: RunningServer, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of that server with a key."""
    async with httpx.AsyncClient(base_url=guarded.http_url, timeout=60, headers=keys.header("robot")) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def channel(guarded: RunningServer) -> AsyncIterator[grpc.aio.Channel]:
    """A gRPC channel to the server that wants a key."""
    async with grpc.aio.insecure_channel(guarded.grpc_target) as opened:
        yield opened
