"""A server as a process, a real Chromium, and visits of the page."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright

from tests.browser.demo_clip import picture_file

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = re.compile(r"ready: HTTP on (?P<url>\S+),")
START_TIMEOUT_S = 120.0
SLOW_MS = 30_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 450}
"""A desktop at 200 %."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SHOWN = '[role="tabpanel"]:not([hidden])'
"""The panel of the tab that is selected."""


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


async def sample_opened(visit: Visit) -> None:
    """The sample has played, or is stopped."""
    await visit.page.get_by_role("button", name="Pause").click()
    await visit.page.get_by_role("button", name="Play").wait_for()


async def start_camera(visit: Visit, _: Path) -> None:
    """Until somebody is seen."""
    await visit.page.get_by_role("button", name="Start the camera").click()
    await visit.page.locator(f"{SHOWN} table").first.wait_for()


async def choose_picture(visit: Visit, folder: Path) -> None:
    """Until it is read."""
    await visit.page.locator("#panel-picture input[type=file]").set_input_files(picture_file(folder, 60))
    await visit.page.locator(f"{SHOWN} table").first.wait_for()


async def saved(page: Page, button: Locator) -> bytes:
    """The file that a button saves."""
    async with page.expect_download() as download:
        await button.click()
    path = await (await download.value).path()
    return await asyncio.to_thread(path.read_bytes)
