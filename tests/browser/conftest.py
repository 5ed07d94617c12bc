"""One server with the weights that are served, and one Chromium whose fake camera shows the demo clip."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.browsing import DESKTOP, Server, Visit, launched, visiting
from tests.browser.demo_clip import CLIP
from tests.support.keys import Keys, make_keys


@pytest.fixture(scope="session")
def served() -> Iterator[Server]:
    """A server without keys."""
    server = Server()
    server.start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def page_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """One key."""
    return make_keys(tmp_path_factory.mktemp("keys") / "keys.json", coach={})


@pytest.fixture(scope="session")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip as Chromium's fake camera takes it, without losses."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(CLIP), "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(camera_file: Path) -> AsyncIterator[Browser]:
    """A browser whose camera is the demo clip, allowed without a question."""
    camera = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera_file}")
    async with launched("--use-fake-ui-for-media-stream", *camera) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, served: Server, request: pytest.FixtureRequest) -> AsyncIterator[Visit]:
    """A fresh visit of the page; at its end it is checked that nothing elsewhere was asked for."""
    async for opened in visiting(chromium, served.url, getattr(request, "param", DESKTOP)):
        yield opened
