"""A real server with the weights that are served, and a real Chromium with a fake camera that shows the demo clip."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support.keys import Keys, make_keys

CLIP = Path(__file__).parents[2] / "service/demo/clip.mp4"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = re.compile(r"ready: HTTP on (?P<url>\S+),")
START_TIMEOUT_S = 120.0
SLOW_MS = 30_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 450}
"""A desktop at 200 %."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@dataclass
class Server:
    """`kinepose serve` as a process of its own, which can be killed and started again at the same port."""

    arguments: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start, and return once it is ready."""
        command = [sys.executable, "-m", "service", "serve", "--http-port", str(self.port), "--grpc-port", "0"]
        self.process = subprocess.Popen(
            [*command, *self.arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if ready := READY.search(line):
                self.port = httpx.URL(ready["url"]).port or 0
                return
        pytest.fail("the server did not start", pytrace=False)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, or kill it."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(START_TIMEOUT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()


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


@asynccontextmanager
async def launched(*arguments: str) -> AsyncIterator[Browser]:
    """A browser without a window; unless told otherwise, it denies whatever pages ask for."""
    async with async_playwright() as playwright:
        everywhere = ["--headless=new", "--no-sandbox"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*everywhere, *arguments])
        yield browser
        await browser.close()


@dataclass
class Visit:
    """A visit of the page: what it asked for, and what the console said.

    Attributes:
        asked: URLs of all requests.
        complaints: errors and warnings of the console, and exceptions.
    """

    page: Page
    context: BrowserContext
    origin: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def tab(self, name: str) -> None:
        """Open a tab."""
        await self.page.get_by_role("tab", name=name).click()

    def foreign(self) -> list[str]:
        """Requests to anywhere but the server; what a page makes itself (blob:, data:) is none."""
        own = (self.origin, self.origin.replace("http", "ws", 1), "blob:", "data:")
        return [url for url in self.asked if not url.startswith(own)]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, served: Server, request: pytest.FixtureRequest) -> AsyncIterator[Visit]:
    """A fresh visit of the page; at its end it is checked that nothing elsewhere was asked for."""
    async for opened in visiting(chromium, served.url, getattr(request, "param", DESKTOP)):
        yield opened


async def visiting(browser: Browser, url: str, size: dict[str, int] = DESKTOP) -> AsyncIterator[Visit]:
    """Open a page at this size, and hold what it did against what pages may do."""
    context = await browser.new_context(viewport={"width": size["width"], "height": size["height"]})
    context.set_default_timeout(SLOW_MS)
    page = await context.new_page()
    seen = Visit(page, context, url)
    page.on("request", lambda asked: seen.asked.append(asked.url))
    page.on("websocket", lambda socket: seen.asked.append(socket.url))
    page.on("console", lambda said: seen.complaints.extend([said.text] if said.type in ("error", "warning") else []))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    try:
        await page.goto(url)
        yield seen
        assert seen.foreign() == []
    finally:
        await context.close()


def truth() -> list[dict[str, list[list[float]]]]:
    """Joints of every frame of the demo clip."""
    frames: list[dict[str, list[list[float]]]] = json.loads(CLIP.with_suffix(".json").read_text())["frames"]
    return frames
