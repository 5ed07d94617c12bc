"""A clip's file goes to its worker once, in parts, and its frames are decoded there; pixels where that cannot be."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from model.values import Frame
from service.clips.run import ClipOptions, ClipRun
from service.config import Settings
from service.errors import PoisonFrame
from service.media.limits import NO_LIMIT_ON_TIME
from service.media.video import open_video
from service.pipeline.pipeline import Pipeline
from service.pipeline.request import FrameRequest
from service.redis.codec import ClipPart, Wanted
from service.redis.queue import clip_files, clip_parts
from service.redis.queue.clip_files import PIXELS, ClipFiles
from tests.support import trackers
from tests.support.clips import make_clip
from tests.support.fleet import FakeWorker, Fleet, deployed, fleet, replaced_where_struck
from tests.support.pipelines import value_of
from tests.support.redis_server import own_redis
from tests.support.trackers import grey, history, shade_of

SIZE = (320, 240)
COUNT = 30
RAW_BYTES = COUNT * 3 * SIZE[0] * SIZE[1]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose pictures differ in their shade."""
    shades = [20 + 6 * number for number in range(COUNT)]
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", pictures=[grey(shade, SIZE) for shade in shades])


@pytest.fixture(scope="module")
def shades(path: Path) -> list[int]:
    """What its frames are where they are decoded in this process."""
    with open_video(path, NO_LIMIT_ON_TIME) as video:
        return [shade_of(frame) for frame in video]


@pytest.fixture
def small_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file takes at least four."""
    monkeypatch.setattr(clip_parts, "PART_BYTES", path.stat().st_size // 4)


async def values(frontend: Pipeline, path: Path) -> list[int]:
    """What the tracker says of each frame of a clip."""
    run = ClipRun(frontend, path, ClipOptions(), open_video)
    return [value_of(result) async for result in run]


def busy(deployment: Fleet) -> FakeWorker:
    """Who computed the last frame."""
    last = {
        worker.name: max((seq for [(_, seq)] in worker.tracker.batches), default=-1) for worker in deployment.workers
    }
    return max(deployment.workers, key=lambda worker: last[worker.name])


def histories(shades: list[int]) -> list[int]:
    """What it says where nothing is lost."""
    return [history(shades[: seq + 1]) for seq in range(len(shades))]


async def test_a_clip_takes_its_files_bytes_and_not_its_pixels(
    path: Path, shades: list[int], small_parts: None
) -> None:
    """Each frame is the one that is decoded here; nothing of the clip stays in Redis."""
    with own_redis() as redis:
        async with fleet(redis.url) as deployment:
            [frontend] = deployment.frontends
            before = (await deployment.client.info("stats"))["total_net_input_bytes"]
            assert await values(frontend, path) == histories(shades)
            took = (await deployment.client.info("stats"))["total_net_input_bytes"] - before
            assert took < RAW_BYTES / 20
            assert await deployment.left() == (0, 0)


@pytest.mark.usefixtures("small_parts")
async def test_a_killed_workers_clip_goes_on_at_another(redis_url: str, path: Path, shades: list[int]) -> None:
    """The file goes there anew, and every frame is as without the kill."""
    async with fleet(redis_url, redis_shards=1, workers=2) as deployment:
        [frontend] = deployment.frontends
        results = []
        async with running(frontend, path) as run:
            async for result in run:
                results.append(value_of(result))
                if len(results) == COUNT // 2:
                    await busy(deployment).kill()
        assert results == histories(shades)
        assert all(worker.tracker.batches for worker in deployment.workers)


@pytest.mark.usefixtures("small_parts")
async def test_a_frame_that_ends_workers_ends_three(
    redis_url: str, path: Path, shades: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by the file, and two as any frame; the file is not sent once more for it."""
    monkeypatch.setattr(trackers, "DEADLY", shades[5])
    async with fleet(redis_url) as deployment:
        [frontend] = deployment.frontends
        clip = asyncio.create_task(values(frontend, path))
        assert await replaced_where_struck(deployment, [clip]) == 3
        with pytest.raises(PoisonFrame) as raised:
            await clip
        assert raised.value.seq == 5
        assert await deployment.left() == (0, 0)


@asynccontextmanager
async def running(frontend: Pipeline, path: Path) -> AsyncIterator[ClipRun]:
    """A run that is closed at the end."""
    run = ClipRun(frontend, path, ClipOptions(), open_video)
    try:
        yield run
    finally:
        await run.aclose()


@pytest.mark.parametrize("settings", [{"worker_clips": 0}, {"worker_clip_bytes": 10}])
async def test_without_room_for_the_file_pixels_come(
    redis_url: str, path: Path, shades: list[int], settings: dict[str, int]
) -> None:
    """The results are the same."""
    async with deployed(redis_url, **settings) as (_, frontend):
        assert await values(frontend, path) == histories(shades)


async def test_more_clips_than_a_worker_takes_come_as_pixels(redis_url: str, path: Path, shades: list[int]) -> None:
    """Side by side, all with the same results."""
    async with deployed(redis_url, redis_shards=1, worker_clips=1) as (_, frontend):
        assert await asyncio.gather(*(values(frontend, path) for _ in range(3))) == 3 * [histories(shades)]


async def test_a_file_that_is_gone_from_the_frontend_is_not_missed(
    redis_url: str, path: Path, shades: list[int], tmp_path: Path
) -> None:
    """A worker that takes the clip over gets its frames as pixels: the frontend still has the opened file."""
    copy = Path(shutil.copy(path, tmp_path))
    async with fleet(redis_url, redis_shards=1, workers=2) as deployment:
        [frontend] = deployment.frontends
        results = []
        async with running(frontend, copy) as run:
            async for result in run:
                results.append(value_of(result))
                if len(results) == 3:
                    await asyncio.to_thread(copy.unlink)
                    await busy(deployment).kill()
        assert results == histories(shades)


# -- a worker's side alone ----------------------------------------------------------------------------------


@pytest.fixture
def files() -> Iterator[ClipFiles]:
    """The clips of a worker."""
    files = ClipFiles(Settings(worker_clips=2))
    yield files
    files.close()


def asked(seq: int, pts_us: int | None, session: str = "s") -> FrameRequest:
    """A clip's frame as a worker gets it."""
    return FrameRequest(session, seq, pts_us, b"", (), "clip")


def part_of(path: Path, start: int, end: int | None = None) -> ClipPart:
    """Bytes of a file."""
    data = path.read_bytes()
    return ClipPart(len(data), start, data[start:end])


async def test_parts_may_come_twice_and_out_of_order(files: ClipFiles, path: Path, shades: list[int]) -> None:
    """What is wanted is always the first byte that is missing; the last frame may be asked for again."""
    size = part_of(path, 0).size
    assert await files.frame(asked(0, 0), part_of(path, 500)) == Wanted(0)
    for _ in range(2):
        assert await files.frame(asked(0, 0), part_of(path, 0, 500)) == Wanted(500)
    assert await files.frame(asked(0, 0), part_of(path, size)) == Wanted(500)
    frame = await files.frame(asked(0, 0), part_of(path, 500))
    assert isinstance(frame, Frame)
    for seq in (0, 1, 1, 5, 2):  # The last one is before what was given: decoding begins anew.
        frame = await files.frame(asked(seq, 40_000 * seq), part_of(path, size))
        assert isinstance(frame, Frame)
        assert shade_of(frame) == shades[seq]


@pytest.mark.parametrize(("seq", "pts_us"), [(0, 1), (COUNT, 40_000 * COUNT)])
async def test_frames_that_differ_from_the_frontends_are_refused(
    files: ClipFiles, path: Path, seq: int, pts_us: int
) -> None:
    """Another time, or beyond the last one: from then on pixels are wanted, and the file is let go."""
    assert await files.frame(asked(seq, pts_us), part_of(path, 0)) == PIXELS
    assert await files.frame(asked(0, 0), part_of(path, 0)) == PIXELS


async def test_what_is_no_clip_is_refused(files: ClipFiles) -> None:
    """Its frontend has decoded it; here it cannot be."""
    assert await files.frame(asked(0, 0), ClipPart(5, 0, b"hello")) == PIXELS


async def test_idle_clips_make_room(files: ClipFiles, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two may be here, and a third one where one of them was not asked for in a while."""
    whole = part_of(path, 0)
    for session in ("a", "b"):
        assert isinstance(await files.frame(asked(0, 0, session), whole), Frame)
    assert await files.frame(asked(0, 0, "c"), whole) == PIXELS
    monkeypatch.setattr(clip_files, "IDLE_S", 0.0)
    assert isinstance(await files.frame(asked(0, 0, "c"), whole), Frame)


async def test_a_long_way_to_a_frame_is_gone_in_stretches(
    files: ClipFiles, path: Path, shades: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that takes a clip over near its end does not keep its frame for so long that it is taken for dead."""
    monkeypatch.setattr(clip_files, "CATCH_UP_S", 0.0)
    size, times = part_of(path, 0).size, 0
    frame = await files.frame(asked(COUNT - 1, 40_000 * (COUNT - 1)), part_of(path, 0))
    while isinstance(frame, Wanted):
        assert frame == Wanted(size)
        times += 1
        frame = await files.frame(asked(COUNT - 1, 40_000 * (COUNT - 1)), part_of(path, size))
    assert times > 0
    assert shade_of(frame) == shades[-1]
