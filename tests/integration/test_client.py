"""The client, blocking and asynchronous, over both transports, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from kinepose_client import AsyncClient, Client, Picture, Progress, Unreachable
from kinepose_client.calls import CHUNK_BYTES
from model.values import Region
from service import errors
from service.contract.messages import DropPolicy, FrameResult, Outcome, SessionOptions
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip, make_cut_off, make_sound
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, jpegs

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRANSPORTS = ("http", "grpc")
# Nothing, to a reader of MP4. A clip of several pieces is not sent before the server takes the first.
FREE_BOX = (2 * CHUNK_BYTES).to_bytes(4, "big") + b"free".ljust(2 * CHUNK_BYTES - 4, b"\0")
NOWHERE = {"http": ("http://127.0.0.1:1", None), "grpc": (None, "127.0.0.1:1")}


def address(server: RunningServer, transport: str) -> tuple[str | None, str | None]:
    """What a client of this transport is made with."""
    return (server.http_url, None) if transport == "http" else (None, server.grpc_target)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport in turn."""
    name: str = request.param
    return name


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: RunningServer, transport: str) -> AsyncIterator[AsyncClient]:
    """An asynchronous client."""
    async with AsyncClient(*address(server, transport)) as made:
        yield made


@pytest.fixture
def blocking(server: RunningServer, transport: str) -> Iterator[Client]:
    """A blocking client; call it in a thread, since the server lives in this one."""
    with Client(*address(server, transport)) as made:
        yield made


@pytest.fixture
def clip_path(tmp_path: Path) -> Path:
    """An MP4 of four pictures."""
    return make_clip(tmp_path / "clip.mp4", pictures=[smooth_picture(*SIZE, seed=seed) for seed in range(4)])


def pictures(count: int, seed: int = 0) -> list[Picture]:
    """Pictures with times, the person's region in the first."""
    region = Region(20, 10, 40, 50)
    return [
        Picture(image, pts_us=40_000 * index, region=None if index else region)
        for index, image in enumerate(jpegs(count, seed))
    ]


async def asked_until_it_fails(client: AsyncClient, session_id: str) -> None:
    """Look at a session again and again."""
    while (await client.session(session_id)).expires_in_s > 0:
        pass


async def one_by_one(items: list[Picture]) -> AsyncIterator[Picture]:
    """The pictures as a camera gives them."""
    for item in items:
        yield item


async def test_a_session_from_its_beginning_to_its_end(client: AsyncClient) -> None:
    """Options, frames, state and closing, over either transport."""
    options = SessionOptions(ttl_s=60, drop_policy=DropPolicy.DROP_OLDEST)
    session = await client.create_session(options)
    results = [await client.send_frame(session.session_id, picture) for picture in pictures(2)]

    seen = await client.session(session.session_id)
    assert [(result.seq, result.pts_us, result.outcome) for result in results] == [
        (0, 0, Outcome.OK),
        (1, 40_000, Outcome.OK),
    ]
    [person] = results[0].people
    assert (person.track_id, person.region) == (1, Region(20, 10, 40, 50))
    assert person.pose.xy_px.shape == (13, 2)
    assert (seen.next_seq, seen.options.drop_policy) == (2, DropPolicy.DROP_OLDEST)
    assert (await client.close_session(session.session_id)).next_seq == 2


async def test_several_people_are_followed_by_their_regions(client: AsyncClient, clip_path: Path) -> None:
    """In a session and in a clip, over either transport; the next frames have the same numbers."""
    boxes = (Region(10, 10, 30, 40), Region(50, 20, 30, 40))
    session = await client.create_session(SessionOptions(max_people=2))
    first = await client.send_frame(session.session_id, Picture(jpegs(1)[0], regions=boxes))
    clip = [result async for result in client.estimate_clip(clip_path, regions=boxes, max_people=2)]

    assert session.options.max_people == 2
    for result in (first, clip[0]):
        assert [(person.track_id, person.region) for person in result.people] == list(enumerate(boxes, 1))
    for result in clip:
        there, lost = {person.track_id for person in result.people}, {track.track_id for track in result.lost}
        assert there | lost == {1, 2}


async def test_a_blocking_session(blocking: Client) -> None:
    """The same, without an event loop on the client's side."""

    def whole_life() -> tuple[FrameResult, int]:
        session = blocking.create_session()
        result = blocking.send_frame(session.session_id, pictures(1)[0])
        next_seq = blocking.session(session.session_id).next_seq
        blocking.close_session(session.session_id)
        return result, next_seq

    result, next_seq = await asyncio.to_thread(whole_life)

    assert (result.outcome, next_seq) == (Outcome.OK, 1)


async def test_models_are_listed(client: AsyncClient, blocking: Client) -> None:
    """With their cards."""
    [card] = await client.models()

    assert (card.name, card.skeleton) == ("kimnet-lite", "kinepose13")
    assert await asyncio.to_thread(blocking.models) == [card]


async def test_all_ways_give_the_same_joints(server: RunningServer) -> None:
    """Blocking or not, frame by frame or as a stream, over HTTP or gRPC: bit for bit."""
    sent = pictures(3, seed=1)
    http_url, grpc_target = server.http_url, server.grpc_target

    def blocking_stream() -> list[FrameResult]:
        with Client(grpc_target=grpc_target) as client:
            return list(client.stream(sent))

    def blocking_frames(client: Client) -> list[FrameResult]:
        with client:
            session = client.create_session()
            return [client.send_frame(session.session_id, picture) for picture in sent]

    async with AsyncClient(http_url, grpc_target) as client:
        ways = [[result async for result in client.stream(one_by_one(sent))]]
    ways.append(await asyncio.to_thread(blocking_stream))
    ways.append(await asyncio.to_thread(blocking_frames, Client(http_url)))
    ways.append(await asyncio.to_thread(blocking_frames, Client(grpc_target=grpc_target)))

    joints = [np.stack([person.pose.xy_px for result in way for person in result.people]) for way in ways]
    assert len(joints[0]) == len(sent)
    assert all(np.array_equal(joints[0], other) for other in joints[1:])


async def test_a_clip_gives_its_results_and_what_is_known_of_it(client: AsyncClient, clip_path: Path) -> None:
    """The clip's facts are there once its results have come."""
    answers = client.estimate_clip(clip_path, Region(10, 10, 60, 50))
    assert answers.info is None

    results = [result async for result in answers]

    assert [(result.seq, result.pts_us) for result in results] == [(i, 40_000 * i) for i in range(4)]
    assert [person.region for person in results[0].people] == [Region(10, 10, 60, 50)]
    assert answers.info is not None
    assert (answers.info.frames_emitted, answers.info.codec) == (4, "h264")


async def test_a_blocking_clip(blocking: Client, clip_path: Path) -> None:
    """The same for those who block."""

    def whole() -> tuple[int, int]:
        answers = blocking.estimate_clip(clip_path)
        count = len(list(answers))
        assert answers.info is not None
        return count, answers.info.frames_decoded

    assert await asyncio.to_thread(whole) == (4, 4)


async def test_progress_of_a_clip_is_reported(client: AsyncClient, blocking: Client, clip_path: Path) -> None:
    """Bytes that were sent, results that came; the path may be text."""
    size = len(await asyncio.to_thread(clip_path.read_bytes))
    reports: dict[str, list[Progress]] = {"awaiting": [], "blocking": []}
    async for _ in client.estimate_clip(str(clip_path), progress=reports["awaiting"].append):
        pass
    await asyncio.to_thread(list, blocking.estimate_clip(str(clip_path), progress=reports["blocking"].append))

    for seen in reports.values():
        assert seen[-1] == Progress(size, size, frames=4)
        assert [report.frames for report in seen] == sorted(report.frames for report in seen)


@pytest.mark.parametrize("frames", [0, 1])
async def test_what_progress_raises_ends_the_clip(
    client: AsyncClient, blocking: Client, clip_path: Path, frames: int
) -> None:
    """While the file is sent, and when results come: a button that says stop."""
    with clip_path.open("ab") as file:
        file.write(FREE_BOX)

    def stop(progress: Progress) -> None:
        if progress.frames >= frames:
            raise InterruptedError("stop")

    async def collect() -> None:
        async for _ in client.estimate_clip(clip_path, progress=stop):
            pass

    with pytest.raises(InterruptedError, match="stop"):
        await collect()
    with pytest.raises(InterruptedError, match="stop"):
        await asyncio.to_thread(list, blocking.estimate_clip(clip_path, progress=stop))


async def test_an_awaiting_client_belongs_to_its_event_loop(server: RunningServer) -> None:
    """Without a loop, or in another one, it says what to do."""

    async def use(client: AsyncClient) -> None:
        await client.models()

    async with AsyncClient(server.http_url, server.grpc_target) as client:
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(use(client)))
    with pytest.raises(RuntimeError, match="take Client"):
        await asyncio.to_thread(AsyncClient, server.http_url)


async def test_a_stream_takes_up_a_session(server: RunningServer) -> None:
    """And goes on where it stopped."""
    async with AsyncClient(server.http_url, server.grpc_target) as client:
        session = await client.create_session()
        await client.send_frame(session.session_id, pictures(1)[0])
        later = [Picture(picture.image) for picture in pictures(2)]
        results = [result async for result in client.stream(one_by_one(later), session.session_id)]

    assert [result.seq for result in results] == [1, 2]


async def test_an_error_of_one_frame_is_its_outcome_in_a_stream(server: RunningServer) -> None:
    """The others are fine."""
    broken = [pictures(1)[0], Picture(b"no picture"), Picture(jpegs(2)[1])]
    async with AsyncClient(grpc_target=server.grpc_target) as client:
        results = [result async for result in client.stream(one_by_one(broken))]

    assert [result.outcome for result in results] == [Outcome.OK, Outcome.ERROR, Outcome.OK]
    assert results[1].error_code == "bad_image"


async def test_what_the_pictures_raise_comes_after_the_results_before(server: RunningServer) -> None:
    """A camera that breaks does not lose what was sent."""
    results: list[FrameResult] = []

    def camera() -> Iterator[Picture]:
        yield from pictures(2)
        raise RuntimeError("the camera broke")

    async def camera_async() -> AsyncIterator[Picture]:
        for picture in camera():
            yield picture

    async def collect(client: AsyncClient) -> None:
        async for result in client.stream(camera_async()):
            results.append(result)

    def collect_blocking() -> None:
        with Client(grpc_target=server.grpc_target) as client:
            results.extend(client.stream(camera()))

    async with AsyncClient(grpc_target=server.grpc_target) as client:
        with pytest.raises(RuntimeError, match="the camera broke"):
            await collect(client)
    with pytest.raises(RuntimeError, match="the camera broke"):
        await asyncio.to_thread(collect_blocking)

    assert [result.seq for result in results[:2]] == [0, 1]


ERRORS: list[tuple[type[errors.KineposeError], Callable[[Client, str], object]]] = [
    (errors.SessionUnknown, lambda client, session: client.session("nobody")),
    (errors.SeqOutOfOrder, lambda client, session: client.send_frame(session, Picture(jpegs(1)[0], seq=5))),
    (errors.BadImage, lambda client, session: client.send_frame(session, Picture(b"text"))),
    (errors.BadImage, lambda client, session: client.send_frame(session, Picture(b""))),
    (
        errors.BadRegion,
        lambda client, session: client.send_frame(session, Picture(jpegs(1)[0], region=Region(999, 999, 5, 5))),
    ),
    (
        errors.DeadlinePassed,
        lambda client, session: client.send_frame(session, Picture(jpegs(1)[0], deadline_ms=0)),
    ),
    (errors.ModelUnknown, lambda client, session: client.create_session(SessionOptions(model="none"))),
    (errors.BadRequest, lambda client, session: client.create_session(SessionOptions(ttl_s=-1))),
]


@pytest.mark.parametrize(("kind", "call"), ERRORS)
async def test_errors_come_back_as_their_classes(
    blocking: Client, kind: type[errors.KineposeError], call: Callable[[Client, str], object]
) -> None:
    """Over either transport."""
    session = await asyncio.to_thread(blocking.create_session)

    with pytest.raises(kind) as caught:
        await asyncio.to_thread(call, blocking, session.session_id)

    assert type(caught.value) is kind
    assert caught.value.detail


async def test_an_error_tells_where_it_happened(client: AsyncClient) -> None:
    """Enough to go on from."""
    session = await client.create_session()

    with pytest.raises(errors.SeqOutOfOrder) as caught:
        await client.send_frame(session.session_id, Picture(jpegs(1)[0], seq=3))

    assert (caught.value.session_id, caught.value.seq, caught.value.expected_seq) == (session.session_id, 3, 0)


async def test_a_clip_that_breaks_off_tells_where(client: AsyncClient, tmp_path: Path) -> None:
    """Its results come, and the gap with what is known of the clip."""
    answers = client.estimate_clip(make_cut_off(tmp_path, count=6))
    results = [result async for result in answers]

    assert answers.info is not None
    assert [(gap.after_seq, gap.reason) for gap in answers.info.gaps] == [(results[-1].seq, "cut_off")]


async def test_a_strict_clip_that_breaks_off_gives_its_results_first(client: AsyncClient, tmp_path: Path) -> None:
    """Then its error is raised."""
    results: list[FrameResult] = []

    async def collect() -> None:
        async for result in client.estimate_clip(make_cut_off(tmp_path, count=6), strict=True):
            results.append(result)

    with pytest.raises(errors.BadClip):
        await collect()
    assert len(results) > 1


async def test_a_clip_that_is_none_raises_at_once(blocking: Client, tmp_path: Path) -> None:
    """Its own status over HTTP, its own details over gRPC."""
    answers = blocking.estimate_clip(make_sound(tmp_path / "sound.mp4"))

    with pytest.raises(errors.UnsupportedMedia, match="no video stream"):
        await asyncio.to_thread(list, answers)


async def test_a_missing_file_is_told_here(client: AsyncClient, blocking: Client, tmp_path: Path) -> None:
    """As of any file."""
    with pytest.raises(FileNotFoundError):
        await anext(aiter(client.estimate_clip(tmp_path / "missing.mp4")))
    with pytest.raises(FileNotFoundError):
        await asyncio.to_thread(list, blocking.estimate_clip(tmp_path / "missing.mp4"))


async def test_stopping_a_clip_early_stops_the_server_too(client: AsyncClient, tmp_path: Path) -> None:
    """Its session is closed: nothing computes for nobody."""
    long = make_clip(tmp_path / "long.mp4", pictures=[smooth_picture(*SIZE, seed=seed) for seed in range(40)])
    answers = client.estimate_clip(long)
    results = aiter(answers)
    first = await anext(results)
    await results.aclose()  # type: ignore[attr-defined]
    await answers.aclose()

    async with asyncio.timeout(30):
        with pytest.raises(errors.SessionExpired):
            await asked_until_it_fails(client, first.session_id)


async def test_a_server_that_is_not_there_is_unreachable(transport: str) -> None:
    """One error for both transports."""
    async with AsyncClient(*NOWHERE[transport]) as client:
        with pytest.raises(Unreachable):
            await client.create_session()
    with Client(*NOWHERE[transport]) as blocking, pytest.raises(Unreachable):
        await asyncio.to_thread(blocking.models)


@pytest.mark.parametrize("make", [Client, AsyncClient])
async def test_a_client_needs_an_address(make: Callable[[], object]) -> None:
    """And a stream needs that of gRPC."""
    with pytest.raises(ValueError, match="http_url, grpc_target"):
        make()
    with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="grpc_target"):
        client.stream([])
