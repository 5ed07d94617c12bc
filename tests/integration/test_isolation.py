"""Streams and clips that run at once give what each gives alone, bit for bit."""

import asyncio

import httpx
import pytest

from kinepose_client.pb import pose_pb2 as pb
from tests.support.clips import make_clip
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, AsyncStub, anonymous, chunks, each, jpegs

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAMS, CLIPS, FRAMES = 8, 2, 5


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Two clips that differ."""
    folder = tmp_path_factory.mktemp("films")
    return [
        make_clip(
            folder / f"{number}.mp4",
            pictures=[smooth_picture(*SIZE, seed=500 * number + i) for i in range(FRAMES)],
        ).read_bytes()
        for number in range(CLIPS)
    ]


async def stream(stub: AsyncStub, number: int) -> list[bytes]:
    """All results of one stream; the random weights find nobody where nobody says where to look."""
    region = pb.Region(x=5 + number, y=5, w=40, h=50)
    images = jpegs(FRAMES, seed=number)
    frames = [pb.Frame(image=image, region=region if i == 0 else None) for i, image in enumerate(images)]
    return [anonymous(result) async for result in stub.StreamPose(each(frames))]


async def film(stub: AsyncStub, data: bytes) -> list[bytes]:
    """All results of one clip."""
    options = pb.ClipOptions(region=pb.Region(x=5, y=5, w=40, h=50))
    return [anonymous(result) async for result in stub.EstimateClip(each(chunks(data, options=options)))]


async def test_eight_streams_and_two_clips_do_not_touch_each_other(stub: AsyncStub, films: list[bytes]) -> None:
    """The tolerance on the CPU is zero: no bit of any result depends on what else the server computes."""
    alone = [await stream(stub, number) for number in range(STREAMS)]
    alone += [await film(stub, data) for data in films]

    together = await asyncio.gather(
        *(stream(stub, number) for number in range(STREAMS)), *(film(stub, data) for data in films)
    )
    assert together == alone
    assert len({b"".join(results) for results in alone}) == STREAMS + CLIPS


async def test_frames_waited_for_those_of_other_sessions(stub: AsyncStub, http: httpx.AsyncClient) -> None:
    """The streams above did meet before the network, or the test above would say nothing."""
    await asyncio.gather(*(stream(stub, number) for number in range(STREAMS)))

    lines = (await http.get("/metrics")).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    at_once = float(values['kinepose_queue_duration_seconds_bucket{le="0.001"}'])
    assert float(values["kinepose_queue_duration_seconds_count"]) - at_once > STREAMS
