"""Whole clips over HTTP: at once, line by line, as a job."""

import asyncio
import gc
import io
import json
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from kinepose_client import wire_json
from service.auth.api_keys import ANYONE
from service.clips.storage import WRITERS
from service.contract import wire
from service.processes.frontend import RunningServer
from tests.support.clips import make_cut_off
from tests.support.costly import make_bomb
from tests.support.server import status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIDEO = {"Content-Type": "video/mp4"}
LINES = {"Accept": "application/x-ndjson"}
LATER = {"Prefer": "respond-async"}


def without_session(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Frames without the name of their session."""
    return [{**frame, "session_id": ""} for frame in frames]


async def at_once(http: httpx.AsyncClient, clip: bytes, **params: str) -> dict[str, Any]:
    """The JSON reply of a clip."""
    answer = await http.post("/v1/clips", content=clip, headers=VIDEO, params=params)
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


async def job_done(http: httpx.AsyncClient, location: str) -> dict[str, Any]:
    """The job once it is finished."""
    async with asyncio.timeout(120):
        while True:
            job: dict[str, Any] = (await http.get(location)).json()
            if job["status"] in ("done", "failed"):
                return job


async def test_a_clip_is_answered_as_one_document(http: httpx.AsyncClient, clip: bytes) -> None:
    """Facts of the clip, and a frame each with the clip's own times."""
    reply = await at_once(http, clip, region="10,10,40,50")

    assert reply["clip"] == {
        "frames_declared": 10,
        "frames_decoded": 10,
        "frames_emitted": 10,
        "duration_us": 400000,
        "codec": "h264",
        "start_us": 0,
        "pixel_aspect": 1.0,
        "gaps": [],
    }
    assert [frame["pts_us"] for frame in reply["frames"]] == [40000 * index for index in range(10)]
    assert [frame["seq"] for frame in reply["frames"]] == list(range(10))
    assert all(frame["outcome"] == "ok" for frame in reply["frames"])


async def test_lines_and_forms_say_the_same_as_the_document(http: httpx.AsyncClient, clip: bytes) -> None:
    """NDJSON and multipart are other forms of the same reply."""
    document = await at_once(http, clip, region="10,10,40,50")
    lines = await http.post("/v1/clips", content=clip, headers=LINES, params={"region": "10,10,40,50"})
    form = await http.post("/v1/clips", data={"region": "10,10,40,50"}, files={"file": ("a.mp4", clip, "video/mp4")})

    *frames, last = [json.loads(line) for line in lines.text.splitlines()]
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert last == {"clip": document["clip"]}
    assert without_session(frames) == without_session(document["frames"])
    assert without_session(form.json()["frames"]) == without_session(document["frames"])


async def test_a_broken_clip_keeps_what_is_good_in_every_form(tmp_path: Path, http: httpx.AsyncClient) -> None:
    """As a document, as lines and as a job with its drawing; each tells where the clip breaks off."""
    clip = make_cut_off(tmp_path, count=12).read_bytes()
    document = await at_once(http, clip)
    lines = [json.loads(line) for line in (await http.post("/v1/clips", content=clip, headers=LINES)).text.splitlines()]
    location = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    job = await job_done(http, location)

    count = len(document["frames"])
    assert 0 < count < 12
    assert document["clip"]["gaps"] == [{"after_seq": count - 1, "pts_us": 40000 * count, "reason": "cut_off"}]
    assert lines[-1] == {"clip": document["clip"]}
    assert (job["status"], job["clip"]) == ("done", document["clip"])
    assert pictures_in((await http.get(f"{location}/overlay.mp4")).content) == count


async def test_strict_refuses_a_broken_clip_as_query_and_as_field(tmp_path: Path, http: httpx.AsyncClient) -> None:
    """And what is neither yes nor no is refused."""
    clip = make_cut_off(tmp_path, count=12).read_bytes()
    form = await http.post("/v1/clips", data={"strict": "true"}, files={"file": ("a.mp4", clip, "video/mp4")})

    assert status_and_code(await http.post("/v1/clips", content=clip, params={"strict": "true"})) == (422, "bad_clip")
    assert status_and_code(form) == (422, "bad_clip")
    assert status_and_code(await http.post("/v1/clips", content=clip, params={"strict": "?"})) == (422, "bad_request")


async def test_lines_of_a_strict_clip_that_breaks_off_end_with_its_error(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    """What was readable has been sent by then."""
    clip = make_cut_off(tmp_path, count=12).read_bytes()
    answer = await http.post("/v1/clips", content=clip, headers=LINES, params={"strict": "true"})

    *frames, last = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert 0 < len(frames) < 12
    assert last["error"]["code"] == "bad_clip"


async def test_a_costly_clip_gets_its_error_and_the_next_one_its_answer(
    tmp_path: Path, http: httpx.AsyncClient, clip: bytes
) -> None:
    """A table of 50 million samples, which no process here has the memory for."""
    bomb = make_bomb(tmp_path / "bomb.mp4").read_bytes()

    assert status_and_code(await http.post("/v1/clips", content=bomb)) == (422, "bad_clip")
    assert len((await at_once(http, clip))["frames"]) == 10


async def test_lines_of_a_clip_that_does_not_open_have_its_status(http: httpx.AsyncClient) -> None:
    """An error before the first line is an ordinary answer."""
    answer = await http.post("/v1/clips", content=b"no clip at all", headers=LINES)

    assert status_and_code(answer)[0] in (415, 422)


async def test_a_job_goes_from_accepted_to_done(http: httpx.AsyncClient, clip: bytes) -> None:
    """202 with Location; then status, poses in both forms, a drawn clip; deleted it is gone."""
    accepted = await http.post("/v1/clips", content=clip, headers=LATER)
    location = accepted.headers["location"]
    job = await job_done(http, location)
    document = (await http.get(f"{location}/poses")).json()
    lines = (await http.get(f"{location}/poses", headers=LINES)).text.splitlines()
    overlay = await http.get(f"{location}/overlay.mp4")

    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    assert (job["status"], job["progress"], job["error"]) == ("done", 1.0, None)
    assert len(document["frames"]) == 10
    assert [json.loads(line) for line in lines] == [*document["frames"], {"clip": document["clip"]}]
    assert overlay.headers["content-type"] == "video/mp4"
    assert pictures_in(overlay.content) == 10
    assert (await http.delete(location)).status_code == 204
    assert status_and_code(await http.get(location)) == (404, "clip_unknown")


def pictures_in(clip: bytes) -> int:
    """How many pictures a clip holds."""
    with av.open(io.BytesIO(clip), "r") as container:
        return len(list(container.decode(video=0)))


async def test_a_job_at_work_is_polled_and_stopped(
    tmp_path: Path, server: RunningServer, http: httpx.AsyncClient
) -> None:
    """Its poses are not there yet; deleting it ends its session."""
    clip = make_cut_off(tmp_path, count=200).read_bytes()
    location = (await http.post("/v1/clips", content=clip, headers=LATER)).headers["location"]
    waiting = await http.get(f"{location}/poses")
    run = server.services.jobs.get(location.rpartition("/")[2], ANYONE)
    async with asyncio.timeout(60):
        while not (run.info and run.info.frames_emitted):
            await http.get(location)
    assert run.run is not None
    session_id = run.run.session_id
    await http.delete(location)

    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert status_and_code(await http.get(f"/v1/sessions/{session_id}")) == (410, "session_expired")
    assert not run.folder.exists()


async def test_a_failed_job_tells_its_error(http: httpx.AsyncClient) -> None:
    """In its status, and in place of its poses."""
    location = (await http.post("/v1/clips", content=b"no clip", headers=LATER)).headers["location"]
    job = await job_done(http, location)

    assert job["status"] == "failed"
    poses = await http.get(f"{location}/poses")
    assert poses.status_code == job["error"]["status"]
    assert poses.json()["code"] == job["error"]["code"]


async def test_a_clip_of_an_unknown_model_is_refused(http: httpx.AsyncClient, clip: bytes) -> None:
    """As a session would be."""
    answer = await http.post("/v1/clips", content=clip, params={"model": "gpt"})

    assert status_and_code(answer) == (422, "model_unknown")


async def test_a_clip_above_the_limit_is_refused(tight_server: RunningServer) -> None:
    """413, whether the length was declared or only counted, raw or in a form."""

    async def undeclared() -> Any:
        for _ in range(4):
            yield bytes(500)

    form = {"file": ("a.mp4", bytes(2000), "video/mp4")}
    async with httpx.AsyncClient(base_url=tight_server.http_url, timeout=60) as http:
        assert status_and_code(await http.post("/v1/clips", content=bytes(2000))) == (413, "too_large")
        assert status_and_code(await http.post("/v1/clips", content=undeclared())) == (413, "too_large")
        assert status_and_code(await http.post("/v1/clips", files=form)) == (413, "too_large")


async def test_finished_jobs_make_room_for_new_ones(tight_server: RunningServer) -> None:
    """The oldest result gives way; a job at work does not."""
    async with httpx.AsyncClient(base_url=tight_server.http_url, timeout=60) as http:
        first = (await http.post("/v1/clips", content=b"no clip", headers=LATER)).headers["location"]
        await job_done(http, first)
        at_work = await tight_server.services.jobs.open(ANYONE)
        async with tight_server.services.jobs.upload(at_work):
            pass
        refused = await http.post("/v1/clips", content=b"no clip", headers=LATER)
        await tight_server.services.jobs.discard(at_work)

    assert status_and_code(refused) == (429, "queue_full")
    assert refused.headers["retry-after"] == "1"


async def test_results_survive_json(http: httpx.AsyncClient, clip: bytes) -> None:
    """Reading a reply back gives values whose reply is the same."""
    frames = (await at_once(http, clip))["frames"]

    assert [wire.result_to_json(wire_json.result_from_json(frame)) for frame in frames] == frames


async def test_a_reader_who_leaves_while_the_disk_answers_leaves_no_file_open(
    server: RunningServer, clip: bytes
) -> None:
    """What a thread has done for a reader who is cancelled before he hears of it is undone."""
    jobs, all_threads = server.services.jobs, threading.Barrier(WRITERS + 1)
    async with jobs.scratch(ANYONE) as job:
        async with jobs.upload(job) as file:
            await jobs.storage.write(file, clip)
        async with aclosing(jobs.lines(job)) as lines:
            reader = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            others = [asyncio.ensure_future(jobs.storage.run(all_threads.wait)) for _ in range(WRITERS)]
            await asyncio.sleep(0)
            all_threads.wait(30)  # The loop stands still: whatever was asked for the reader is done, and not yet told.
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        await asyncio.gather(*others)
        await jobs.storage.run(gc.collect)  # A file that nobody closed would be told here, and fail this test.
