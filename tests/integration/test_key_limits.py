"""What an API key may ask for: rates and sessions, as clients of any transport meet them."""

from collections.abc import Iterable
from typing import Any

import grpc
import httpx
import pytest

from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from tests.support.keys import Keys
from tests.support.server import AsyncStub, chunks, each, grpc_status_and_error, into, jpegs, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")


# A window of a rate may end between two calls, and lets one more through then: so each test goes on asking.
TRIES = 4


async def refused_call(calls: Iterable[Any]) -> grpc.RpcError:
    """The error of the first call that fails."""
    for call in calls:
        try:
            await call
        except grpc.RpcError as error:
            return error
    pytest.fail("no call was refused")


async def test_sessions_have_a_rate(robot: httpx.AsyncClient, channel: grpc.aio.Channel, keys: Keys) -> None:
    """429 with Retry-After, and RESOURCE_EXHAUSTED; the rate is one over all transports."""
    answers = [await robot.post("/v1/sessions", headers=keys.header("rare")) for _ in range(TRIES)]
    refused = next(answer for answer in answers if answer.status_code != 201)

    assert answers[0].status_code == 201
    assert status_and_code(refused) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    stub: AsyncStub = PoseServiceStub(channel)
    calls = (stub.CreateSession(pb.CreateSessionRequest(), metadata=keys.metadata("rare")) for _ in range(TRIES))
    code, error = grpc_status_and_error(await refused_call(calls))
    assert (code, error.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
    assert error.retry_after_ms is not None


async def test_clips_have_a_rate(robot: httpx.AsyncClient, channel: grpc.aio.Channel, keys: Keys, clip: bytes) -> None:
    """Their frames are no frames of sessions: the first clip comes through whole."""
    answers = [await robot.post("/v1/clips", content=clip, headers=keys.header("slow")) for _ in range(TRIES)]
    refused = next(answer for answer in answers if answer.status_code != 200)

    assert answers[0].json()["clip"]["frames_emitted"] == 10
    assert status_and_code(refused) == (429, "rate_limited")
    stub: AsyncStub = PoseServiceStub(channel)
    calls = (into([], stub.EstimateClip(each(chunks(clip)), metadata=keys.metadata("slow"))) for _ in range(TRIES))
    assert grpc_status_and_error(await refused_call(calls))[1].code == "rate_limited"


async def test_frames_have_a_rate(channel: grpc.aio.Channel, keys: Keys) -> None:
    """A frame above it fails alone; its stream goes on, and every frame has one answer."""
    stub: AsyncStub = PoseServiceStub(channel)
    frames = [pb.Frame(image=image) for image in jpegs(12)]
    results = [r async for r in stub.StreamPose(each(frames), metadata=keys.metadata("slow"))]

    assert [r.seq for r in results] == list(range(12))
    assert {"", "rate_limited"} == {r.error.code for r in results}


async def test_a_key_holds_so_many_sessions(robot: httpx.AsyncClient, keys: Keys) -> None:
    """One more is refused until one has ended; other keys go on."""
    headers = keys.header("small")
    first = await robot.post("/v1/sessions", headers=headers)

    assert status_and_code(await robot.post("/v1/sessions", headers=headers)) == (429, "too_many_sessions")
    assert (await robot.post("/v1/sessions")).status_code == 201
    await robot.delete(first.headers["location"], headers=headers)
    assert (await robot.post("/v1/sessions", headers=headers)).status_code == 201
