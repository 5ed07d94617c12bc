"""The page's files as they are served, and that what is vendored is what its table says."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from service.formats.catalog import FORMATS
from service.transports.http.page import FOLDER, router

pytestmark = pytest.mark.asyncio(loop_scope="module")

VENDOR = FOLDER / "vendor"
SCRIPTS = (".js", ".mjs")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the page's routes alone: its files need no model."""
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/page/main.js", "/page/vendor/preact/preact.mjs"])
async def test_all_that_browsers_get_forbids_what_is_elsewhere(path: str, browser: httpx.AsyncClient) -> None:
    """Nothing is loaded from, or sent to, other servers; no type is guessed."""
    answer = await browser.get(path)

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", sorted(p for p in FOLDER.rglob("*") if p.suffix in SCRIPTS), ids=lambda path: path.name
)
async def test_every_script_is_served_as_one(path: object, browser: httpx.AsyncClient) -> None:
    """Browsers run no module of another type."""
    name = str(path).removeprefix(f"{FOLDER}/")
    assert (await browser.get(f"/page/{name}")).headers["content-type"].startswith("text/javascript")


async def test_what_has_not_changed_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    """304 by its ETag; it is asked for each time, so that a new version is seen at once."""
    first = await browser.get("/page/app.js")
    again = await browser.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert again.status_code == 304


@pytest.mark.parametrize("name", FORMATS)
async def test_the_sample_is_there_in_every_format(name: str, browser: httpx.AsyncClient) -> None:
    """As the server writes a clip's results; to see what a tool gets before a clip is at hand."""
    answer = await browser.get(f"/page/sample/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(FORMATS[name].media_type)
    assert len(answer.content) > 10_000


async def test_the_sample_clip_is_sent_in_parts(browser: httpx.AsyncClient) -> None:
    """Browsers seek by ranges."""
    part = await browser.get("/page/sample.mp4", headers={"Range": "bytes=0-99"})

    assert (part.status_code, len(part.content), part.headers["content-type"]) == (206, 100, "video/mp4")


async def test_vendored_files_are_those_of_the_table() -> None:
    """Each script and style has its SHA-256 in the README beside them, and each package its licence."""
    listed = dict(
        reversed(line.split("  ")) for line in re.findall(r"^[0-9a-f]{64}  \S+$", read(VENDOR / "README.md"), re.M)
    )
    present = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.suffix in (*SCRIPTS, ".css")
    }

    assert listed == present
    assert all((VENDOR / name.split("/")[0] / "LICENSE").is_file() for name in present)


async def test_nothing_of_the_page_names_another_server() -> None:
    """Our own files; what is vendored is held by the policy above and by the browser's tests."""
    own = [path for path in FOLDER.iterdir() if path.suffix in (*SCRIPTS, ".html", ".css")]

    assert len(own) > 20
    assert [path.name for path in own if re.search(r"https?://", read(path))] == []


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")
