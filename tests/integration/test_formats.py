"""Formats of a clip's results over HTTP: by `format` and by `Accept`, at once and of a job."""

import io
from typing import Any

import httpx
import pandas as pd
import pytest

from service.formats.catalog import FORMATS, MP4
from service.transports.http.formats import preferred
from tests.integration.test_clips import job_done, pictures_in
from tests.support.server import status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = [name for name in FORMATS if name not in ("json", "ndjson")]


async def job_of(http: httpx.AsyncClient, clip: bytes) -> str:
    """Where a finished job is."""
    location = (await http.post("/v1/clips", content=clip, headers={"Prefer": "respond-async"})).headers["location"]
    assert (await job_done(http, location))["status"] == "done"
    return location


async def test_every_format_is_the_same_at_once_and_of_a_job(http: httpx.AsyncClient, clip: bytes) -> None:
    """But for the sessions' names, which these do not tell; the file has a name to be saved under."""
    location = await job_of(http, clip)
    for name in OTHERS:
        at_once = await http.post("/v1/clips", content=clip, params={"format": name})
        later = await http.get(f"{location}/poses", params={"format": name})

        assert at_once.headers["content-type"].partition(";")[0] == FORMATS[name].media_type
        assert at_once.headers["content-disposition"].startswith(f'attachment; filename="clip{FORMATS[name].ending}')
        assert at_once.content == later.content
        assert later.headers["content-type"] == at_once.headers["content-type"]


async def test_a_form_field_says_the_format_too(http: httpx.AsyncClient, clip: bytes) -> None:
    """As all other parameters."""
    answer = await http.post("/v1/clips", data={"format": "csv"}, files={"file": ("a.mp4", clip, "video/mp4")})

    assert pd.read_csv(io.BytesIO(answer.content))["frame"].drop_duplicates().tolist() == list(range(10))


async def test_the_drawn_clip_is_a_format_too(http: httpx.AsyncClient, clip: bytes) -> None:
    """At once, and of a job the same file as its overlay."""
    location = await job_of(http, clip)
    at_once = await http.post("/v1/clips", content=clip, params={"format": MP4})
    later = await http.get(f"{location}/poses", headers={"Accept": "video/mp4"})

    assert at_once.headers["content-type"] == later.headers["content-type"] == "video/mp4"
    assert pictures_in(at_once.content) == 10
    assert later.content == (await http.get(f"{location}/overlay.mp4")).content


@pytest.mark.parametrize("params", [{"format": "xml"}, {"format": "CSV"}])
async def test_an_unknown_format_is_refused(http: httpx.AsyncClient, clip: bytes, params: dict[str, str]) -> None:
    """Before the clip is looked at, in a query and in a form."""
    form = await http.post("/v1/clips", data=params, files={"file": ("a.mp4", clip, "video/mp4")})

    assert status_and_code(await http.post("/v1/clips", content=b"no clip", params=params)) == (422, "bad_request")
    assert status_and_code(form) == (422, "bad_request")


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html, image/*", "json"),
        ("application/x-ndjson", "ndjson"),
        ("text/csv", "csv"),
        ("application/json;q=0.5, text/csv", "csv"),
        ("Text/CSV; q=0.2, application/vnd.apache.parquet;q=0.8", "parquet"),
        ("text/csv;q=0, application/zip;q=0.1", "openpose"),
        ("text/csv;q=many", "json"),
        ("video/mp4", "mp4"),
    ],
)
async def test_accept_prefers_by_weight(accept: str, name: Any) -> None:
    """The highest one that is known; JSON where none is."""
    assert preferred(accept) == name
