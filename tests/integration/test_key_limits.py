"""What an API key may ask for: rates and sessions, as clients of any transport meet them."""

import grpc
import httpx
import pytest

from service.pb import pose_pb2 as pb
from service.pb.pose_pb2_grpc import PoseServiceStub
from tests.support.keys import Keys
from tests.support.server import AsyncStub, chunks, each, jpegs, told, told_grpc

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_sessions_have_a_rate(robot: httpx.AsyncClient, channel: grpc.aio.Channel, keys: Keys) -> None:
    """429 with Retry-After, and RESOURCE_EXHAUSTED; the rate is one over all transports."""
    created = [await robot.post("/v1/sessions", headers=keys.header("rare")) for _ in range(2)]

    assert created[0].status_code == 201
    assert told(created[1]) == (429, "rate_limited")
    assert 1 <= int(created[1].headers["retry-after"]) <= 60
    with pytest.raises(grpc.RpcError) as caught:
        await PoseServiceStub(channel).CreateSession(pb.CreateSessionRequest(), metadata=keys.metadata("rare"))
    code, error = told_grpc(caught.value)
    assert (code, error.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
    assert error.retry_after_ms is not None


async def test_clips_have_a_rate(robot: httpx.AsyncClient, channel: grpc.aio.Channel, keys: Keys, clip: bytes) -> None:
    """Their frames are no frames of sessions: the first clip comes through whole."""
    first, second = [await robot.post("/v1/clips", content=clip, headers=keys.header("slow")) for _ in range(2)]
    assert first.json()["clip"]["frames_emitted"] == 10
    assert told(second) == (429, "rate_limited")
    stub: AsyncStub = PoseServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        _ = [r async for r in stub.EstimateClip(each(chunks(clip)), metadata=keys.metadata("slow"))]
    assert told_grpc(caught.value)[1].code == "rate_limited"


async def test_frames_have_a_rate(channel: grpc.aio.Channel, keys: Keys) -> None:
    """A frame above it fails alone; its stream goes on, and every frame has one answer."""
    stub: AsyncStub = PoseServiceStub(channel)
    frames = [pb.Frame(image=image) for image in jpegs(6)]
    results = [r async for r in stub.StreamPose(each(frames), metadata=keys.metadata("slow"))]

    assert [r.seq for r in results] == list(range(6))
    assert results[0].outcome == pb.OUTCOME_OK
    assert "rate_limited" in {r.error.code for r in results}


async def test_a_key_holds_so_many_sessions(robot: httpx.AsyncClient, keys: Keys) -> None:
    """One more is refused until one has ended; other keys go on."""
    headers = keys.header("small")
    first = await robot.post("/v1/sessions", headers=headers)

    assert told(await robot.post("/v1/sessions", headers=headers)) == (429, "too_many_sessions")
    assert (await robot.post("/v1/sessions")).status_code == 201
    await robot.delete(first.headers["location"], headers=headers)
    assert (await robot.post("/v1/sessions", headers=headers)).status_code == 201
