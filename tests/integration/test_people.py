"""Two people in one session over every transport, with the bundled weights and finder."""

import asyncio
import json
from collections.abc import AsyncIterator

import cv2
import httpx
import numpy as np
import pytest
import pytest_asyncio
import websockets

from kinepose_client import AsyncClient, Picture
from kinepose_client.wire_json import result_from_json
from service.config import Settings
from service.contract.messages import FrameResult, SessionOptions
from service.processes.frontend import RunningServer
from tests.support.two_people import BESIDE, two_people

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

FRAMES = 6
OPTIONS = SessionOptions(max_people=3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RunningServer]:
    """As served: the small model and the finder."""
    async with RunningServer(Settings(http_port=0, grpc_port=0, max_batch=4)) as running:
        yield running


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Two people who walk beside one another."""
    frames = [frame for _, (frame, _) in zip(range(FRAMES), two_people(BESIDE), strict=False)]
    encoded = [cv2.imencode(".png", frame.rgb[..., ::-1])[1].tobytes() for frame in frames]
    return [Picture(image, pts_us=seq * 33_333, seq=seq) for seq, image in enumerate(encoded)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_http(server: RunningServer, pictures: list[Picture]) -> list[FrameResult]:
    """Answers to single frames over HTTP."""
    async with AsyncClient(http_url=server.http_url) as client:
        session = await client.create_session(OPTIONS)
        return [await client.send_frame(session.session_id, picture) for picture in pictures]


async def test_two_people_keep_their_numbers(over_http: list[FrameResult]) -> None:
    """From the first frame on, and nobody else is seen."""
    assert [[one.track_id for one in result.people] for result in over_http] == [[1, 2]] * FRAMES
    assert all(result.lost == () for result in over_http)
    first, last = (
        [float(one.pose.xy_px[:, 0].mean()) for one in result.people] for result in (over_http[0], over_http[-1])
    )
    assert np.abs(np.subtract(first, last)).max() < 60
    assert abs(first[0] - first[1]) > 100


async def test_the_finder_looked_and_its_time_is_told(server: RunningServer, over_http: list[FrameResult]) -> None:
    """Once for the first frame of each session."""
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    [count] = [float(line.split()[1]) for line in lines if line.startswith("kinepose_finder_seconds_count")]
    assert over_http
    assert count >= 1


async def test_a_websocket_gives_the_same(
    server: RunningServer, pictures: list[Picture], over_http: list[FrameResult]
) -> None:
    """To the last bit."""
    async with AsyncClient(http_url=server.http_url) as client:
        session = await client.create_session(OPTIONS)
    url = f"{server.http_url.replace('http', 'ws', 1)}/v1/sessions/{session.session_id}/stream"
    answers = []
    async with websockets.connect(url) as socket:
        for picture in pictures:
            await socket.send(json.dumps({"seq": picture.seq, "pts_us": picture.pts_us}))
            await socket.send(picture.image)
            answers.append(result_from_json(json.loads(await socket.recv())))
    _assert_same(answers, over_http)


async def test_a_grpc_stream_gives_the_same(
    server: RunningServer, pictures: list[Picture], over_http: list[FrameResult]
) -> None:
    """To the last bit."""

    async def sent() -> AsyncIterator[Picture]:
        for picture in pictures:
            yield picture
            await asyncio.sleep(0)

    async with AsyncClient(grpc_target=server.grpc_target) as client:
        answers = [result async for result in client.stream(sent(), None, OPTIONS)]
    _assert_same(answers, over_http)


def _assert_same(answers: list[FrameResult], others: list[FrameResult]) -> None:
    for one, other in zip(answers, others, strict=True):
        assert [person.track_id for person in one.people] == [person.track_id for person in other.people]
        for mine, theirs in zip(one.people, other.people, strict=True):
            np.testing.assert_array_equal(mine.pose.xy_px, theirs.pose.xy_px)
            assert (mine.person_score, mine.region) == (theirs.person_score, theirs.region)
