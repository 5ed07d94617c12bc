"""A real server for tests, and pictures to send it."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import httpx

from kinepose_client import wire_errors
from kinepose_client.pb import pose_pb2 as pb
from service.config import Settings
from service.contract import problem
from service.errors import KineposeError
from tests.support.pictures import encoded, smooth_picture

if TYPE_CHECKING:
    from kinepose_client.pb.pose_pb2_grpc import PoseServiceAsyncStub

# The type of a stub on an asyncio channel exists for type checkers only.
AsyncStub: TypeAlias = "PoseServiceAsyncStub"

SIZE = (96, 72)


def free_ports(weights_dir: Path, **changes: Any) -> Settings:
    """Settings of a small server on ports that the kernel chooses."""
    return Settings(**{"http_port": 0, "grpc_port": 0, "weights_dir": weights_dir, "max_batch": 4, **changes})


def jpegs(count: int, seed: int = 0, size: tuple[int, int] = SIZE) -> list[bytes]:
    """Pictures of one stream; another seed gives another stream."""
    return [encoded(smooth_picture(*size, seed=1000 * seed + index), ".jpg") for index in range(count)]


async def opened(http: httpx.AsyncClient, **options: Any) -> str:
    """The id of a new session."""
    answer = await http.post("/v1/sessions", json=options)
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["session_id"]
    return session_id


async def sent(http: httpx.AsyncClient, session_id: str, image: bytes, **params: Any) -> httpx.Response:
    """The answer to one frame."""
    headers = {"Content-Type": "application/octet-stream"}
    return await http.post(f"/v1/sessions/{session_id}/frames", content=image, params=params, headers=headers)


def status_and_code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem+json answer."""
    assert answer.headers["content-type"] == problem.MEDIA_TYPE, answer.text
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def grpc_status_and_error(error: grpc.RpcError) -> tuple[grpc.StatusCode, KineposeError]:
    """Status code and typed error of a failed call."""
    assert isinstance(error, grpc.aio.AioRpcError)
    return error.code(), wire_errors.from_rpc_error(error)


async def each(messages: Iterable[Any]) -> AsyncIterator[Any]:
    """The messages of a client stream."""
    for message in messages:
        yield message


def chunks(data: bytes, size: int = 16 * 1024, options: pb.ClipOptions | None = None) -> list[pb.Chunk]:
    """A clip in pieces, the first with the options."""
    pieces = [pb.Chunk(data=data[start : start + size]) for start in range(0, len(data), size)]
    return [pb.Chunk(options=options or pb.ClipOptions()), *pieces]


async def into(results: list[Any], call: AsyncIterable[Any]) -> None:
    """Append the messages of a call as they come; its error is raised at the end."""
    async for result in call:
        results.append(result)


async def nothing_pending(http: httpx.AsyncClient) -> None:
    """Wait until the server has no frame in flight."""
    async with asyncio.timeout(60):
        while "\nkinepose_pending_frames 0.0" not in (await http.get("/metrics")).text:
            pass


def anonymous(result: pb.PoseResult) -> bytes:
    """All of a result except whose it is."""
    copy = pb.PoseResult()
    copy.CopyFrom(result)
    copy.ClearField("session_id")
    return copy.SerializeToString(deterministic=True)
