"""Smooth joints beside the raw ones, over every transport."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.asyncio.client import connect

from kinepose_client import AsyncClient, Picture, Region, SessionOptions, Smoothing
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.wire_json import result_from_json
from model.skeletons import KINEPOSE_13
from service.formats.results import StoredResults
from service.kinematics.process import Wanted, kinematics_of
from service.processes.frontend import RunningServer
from tests.integration.test_clips import job_done
from tests.support.server import AsyncStub, jpegs, opened, sent, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOX = "20,10,40,50"
LINES = {"Accept": "application/x-ndjson"}


def pictures(count: int = 4) -> Iterator[Picture]:
    """Pictures with times, the person's region in the first."""
    for index, image in enumerate(jpegs(count)):
        yield Picture(image, pts_us=40_000 * index, region=None if index else Region(20, 10, 40, 50))


async def test_all_transports_tell_the_same_smooth_joints(server: RunningServer, http: httpx.AsyncClient) -> None:
    """HTTP, WebSocket and gRPC, frame by frame and streamed; and the session says what it does."""
    session_id = await opened(http, smoothing="one_euro")
    posted = []
    for index, image in enumerate(jpegs(4)):
        more = {"region": BOX} if index == 0 else {}
        posted.append((await sent(http, session_id, image, pts_us=40_000 * index, **more)).json()["kinematics"])

    socket_id, told = await opened(http, smoothing="one_euro"), []
    async with connect(f"{server.http_url.replace('http', 'ws')}/v1/sessions/{socket_id}/stream") as socket:
        for index, image in enumerate(jpegs(4)):
            region = {"region": [20, 10, 40, 50]} if index == 0 else {}
            await socket.send(json.dumps({"pts_us": 40_000 * index} | region))
            await socket.send(image)
            told.append(json.loads(await socket.recv())["kinematics"])

    async def images() -> Any:
        for picture in pictures():
            yield picture

    async with AsyncClient(server.http_url, server.grpc_target) as client:
        options = SessionOptions(smoothing=Smoothing.ONE_EURO)
        streamed = [result async for result in client.stream(images(), options=options)]
        session = await client.create_session(options)
        single = [await client.send_frame(session.session_id, picture) for picture in pictures()]

    assert session.options.smoothing is Smoothing.ONE_EURO
    assert posted == told
    assert all(len(made) == 1 for made in posted)
    assert [[{"track_id": one.track_id} | one.values for one in result.kinematics] for result in streamed] == posted
    assert [result.kinematics for result in single] == [result.kinematics for result in streamed]


async def test_a_filter_that_looks_ahead_is_none_of_a_session(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """Nor is one that nobody knows."""
    for name in ("butterworth", "magic", ""):
        assert status_and_code(await http.post("/v1/sessions", json={"smoothing": name})) == (422, "bad_request")
    options = pb.SessionOptions()
    options.MergeFromString(b"\x28\x07")  # smoothing: 7
    with pytest.raises(grpc.RpcError, match="smoothing: 7"):
        await stub.CreateSession(pb.CreateSessionRequest(options=options))


@pytest.mark.parametrize("name", ["one_euro", "butterworth", "savgol"])
async def test_a_clip_is_told_smooth_at_once_line_by_line_and_of_a_job(
    http: httpx.AsyncClient, clip: bytes, name: str
) -> None:
    """As the command line makes it; the raw joints stay."""
    asked = {"smoothing": name, "region": BOX}
    raw = (await http.post("/v1/clips", content=clip, params={"region": BOX})).json()
    document = (await http.post("/v1/clips", content=clip, params=asked)).json()
    lines = await http.post("/v1/clips", content=clip, params=asked, headers=LINES)
    location = (
        await http.post("/v1/clips", content=clip, params={"region": BOX}, headers={"Prefer": "respond-async"})
    ).headers["location"]
    await job_done(http, location)
    of_job = await http.get(f"{location}/poses", params={"smoothing": name})
    table = await http.get(f"{location}/poses", params={"smoothing": name, "format": "csv"})

    made = kinematics_of(map(result_from_json, raw["frames"]), KINEPOSE_13, Wanted(smooth=name))
    expected = [[{"track_id": one.track_id} | one.values for one in made.at(index)] for index in range(10)]
    assert [frame["kinematics"] for frame in document["frames"]] == expected
    assert [frame["people"] for frame in document["frames"]] == [frame["people"] for frame in raw["frames"]]
    assert [json.loads(line)["kinematics"] for line in lines.text.splitlines()[:-1]] == expected
    assert json.loads(lines.text.splitlines()[-1]) == {"clip": document["clip"]}
    assert [frame["kinematics"] for frame in of_job.json()["frames"]] == expected
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [float(row["head_x_filtered"]) for row in rows] == [one[0]["head_x_filtered"] for one in expected]


async def test_what_is_no_filter_is_refused_before_the_clip_is_read(http: httpx.AsyncClient, clip: bytes) -> None:
    """In a query and in a form."""
    query = await http.post("/v1/clips", content=clip, params={"smoothing": "magic"})
    form = await http.post("/v1/clips", data={"smoothing": "magic"}, files={"file": ("a.mp4", clip)})
    assert status_and_code(query) == status_and_code(form) == (422, "bad_request")


async def test_a_clip_too_long_to_be_made_smooth_is_refused(
    http: httpx.AsyncClient, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is in memory then; line by line it is not."""
    monkeypatch.setattr("service.transports.http.clips.MOST_SMOOTHED", 9)
    refused = await http.post("/v1/clips", content=clip, params={"smoothing": "savgol"})
    lines = await http.post("/v1/clips", content=clip, params={"smoothing": "one_euro"}, headers=LINES)
    assert status_and_code(refused) == (413, "clip_too_long")
    assert len(lines.text.splitlines()) == 11


async def test_the_client_saves_a_clip_with_smooth_joints(server: RunningServer, clip: bytes, tmp_path: Path) -> None:
    """In further columns, at once and of a job."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)
    async with AsyncClient(server.http_url) as client:
        await client.save_clip(path, tmp_path / "a.csv", "csv", smoothing="butterworth")
        job = await client.start_clip(path)
        while not (await client.job(job.id)).finished:
            pass
        await client.save_results(job.id, tmp_path / "b.csv", "csv", smoothing="butterworth")

    assert "head_x_filtered" in (tmp_path / "a.csv").read_text()
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


async def test_a_bug_in_a_filter_holds_nothing(
    server: RunningServer, http: httpx.AsyncClient, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the clip's files nor its share of what may be made smooth; the next clip is."""
    folders, params = server.services.jobs.storage.root, {"smoothing": "savgol"}
    before = len(list(folders.iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(StoredResults, "process", lambda *_: 1 // 0)
        refused = await http.post("/v1/clips", content=clip, params=params)
    assert status_and_code(refused) == (500, "internal")
    assert len(list(folders.iterdir())) == before
    assert server.services.smoothing.total == 0
    assert (await http.post("/v1/clips", content=clip, params=params)).status_code == 200
