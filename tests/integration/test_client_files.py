"""Pictures that belong to no video, and clips whose results are files, through the Python client; both over HTTP."""

import asyncio
from pathlib import Path

import numpy as np
import pandas
import pytest

from kinepose_client import AsyncClient, Client, ImageResult, Progress, Region, to_dataframe, to_supervision
from kinepose_client.errors import BadClip, BadImage, BadRequest, KineposeError
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, jpegs

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOX = Region(10, 10, 60, 50)


@pytest.fixture
def clip_path(tmp_path: Path) -> Path:
    """An MP4 of four pictures."""
    return make_clip(tmp_path / "clip.mp4", pictures=[smooth_picture(*SIZE, seed=seed) for seed in range(4)])


def names_in(folder: Path) -> list[str]:
    """Of its files, sorted."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_picture_alone(server: RunningServer, tmp_path: Path) -> None:
    """As bytes or a file, awaiting or blocking; the joints are those of a session's first frame."""
    [image] = jpegs(1)
    file = tmp_path / "picture.jpg"
    await asyncio.to_thread(file.write_bytes, image)

    def blocking() -> ImageResult:
        with Client(server.http_url) as client:
            return client.estimate_image(image, regions=[BOX], max_people=2)

    async with AsyncClient(server.http_url) as client:
        awaited = await client.estimate_image(str(file), BOX)
    other = await asyncio.to_thread(blocking)

    assert (awaited.image_size, awaited.skeleton, awaited.rotation_applied) == (SIZE, "kinepose13", 0)
    assert len(awaited.people) + len(awaited.lost) == 1
    assert all(
        np.array_equal(one.pose.xy_px, same.pose.xy_px) for one, same in zip(awaited.people, other.people, strict=True)
    )
    assert len(to_supervision(awaited)) == len(awaited.people)


async def test_a_clip_as_a_table(server: RunningServer, clip_path: Path, tmp_path: Path) -> None:
    """The server's CSV, written to a file; it tells what the results tell."""
    reports: list[Progress] = []
    async with AsyncClient(server.http_url) as client:
        await client.save_clip(clip_path, tmp_path / "a.csv", "csv", BOX, progress=reports.append)
        table = to_dataframe([result async for result in client.estimate_clip(clip_path, BOX)])
    with Client(server.http_url) as blocking:
        await asyncio.to_thread(blocking.save_clip, clip_path, tmp_path / "b.csv", "csv", BOX)

    written = pandas.read_csv(tmp_path / "a.csv")
    assert np.allclose(written.head_x.dropna(), table.query("joint == 'head'").x)
    assert written.equals(pandas.read_csv(tmp_path / "b.csv"))
    assert reports[-1].sent_bytes == reports[-1].total_bytes


@pytest.mark.parametrize(("content", "form", "kind"), [(b"no clip", "csv", BadClip), (None, "docx", BadRequest)])
async def test_what_fails_leaves_the_file_that_was_there(
    server: RunningServer, clip_path: Path, tmp_path: Path, content: bytes | None, form: str, kind: type[KineposeError]
) -> None:
    """A file of half a table would be taken for a whole one."""
    output = tmp_path / "table.csv"
    output.write_text("old")
    if content:
        await asyncio.to_thread(clip_path.write_bytes, content)

    async with AsyncClient(server.http_url) as client:
        with pytest.raises(KineposeError):
            await client.save_clip(clip_path, output, form)
    with Client(server.http_url) as blocking, pytest.raises(KineposeError) as caught:
        await asyncio.to_thread(blocking.save_clip, clip_path, output, form)

    assert type(caught.value) is kind
    assert names_in(tmp_path) == ["clip.mp4", "table.csv"]
    assert output.read_text() == "old"


async def test_what_is_no_picture_is_refused(server: RunningServer) -> None:
    """By its own class."""
    async with AsyncClient(server.http_url) as client:
        with pytest.raises(BadImage):
            await client.estimate_image(b"no picture")


async def test_pictures_and_files_need_http(server: RunningServer, tmp_path: Path) -> None:
    """gRPC has neither."""
    async with AsyncClient(grpc_target=server.grpc_target) as client:
        with pytest.raises(ValueError, match="http_url"):
            await client.estimate_image(b"")
    with Client(grpc_target=server.grpc_target) as blocking, pytest.raises(ValueError, match="http_url"):
        blocking.save_clip(tmp_path / "clip.mp4", tmp_path / "table.csv", "csv")
