"""The page as a whole: for everybody, on any screen, without a network. Every visit is held to ask nobody else."""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.browser.browsing import (
    DESKTOP,
    PHONE,
    ZOOMED,
    Server,
    Visit,
    choose_picture,
    needs_chromium,
    sample_opened,
    start_camera,
    visiting,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


@pytest.mark.parametrize("visit", [DESKTOP, PHONE, ZOOMED], ids=["desktop", "phone", "zoomed"], indirect=True)
async def test_axe_finds_nothing_serious_in_any_tab(visit: Visit, tmp_path: Path) -> None:
    """Neither serious nor critical, with what each tab shows once it is used; and nothing is wider than the screen."""
    await sample_opened(visit)
    for name, use in (("Sample", None), ("Camera", start_camera), ("Video file", None), ("Picture", choose_picture)):
        await visit.tab(name)
        if use:
            await use(visit, tmp_path)
        results = (await Axe().run(visit.page)).response
        found = results["violations"]
        grave = [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in ("serious", "critical")]
        wide = await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")

        assert len(results["passes"]) > 10, name
        assert grave == [], name
        assert wide <= 0, name


async def test_who_wants_little_motion_starts_the_sample_themselves(chromium: Browser, served: Server) -> None:
    """It does not play by itself then."""
    async for visit in visiting(chromium, "about:blank"):
        visit.origin = served.url
        await visit.page.emulate_media(reduced_motion="reduce")
        await visit.page.goto(served.url)
        await visit.page.locator('.stage canvas[data-seq="0"]').wait_for()

        assert await visit.page.get_by_role("button", name="Play").is_visible()


async def test_tabs_are_moved_between_by_keys(visit: Visit) -> None:
    """Arrows, Home and End, as the pattern of tabs has it."""
    tab = visit.page.get_by_role("tab", selected=True)
    await tab.focus()
    names = [await tab.inner_text()]
    for key in ("ArrowRight", "ArrowLeft", "Home", "End"):
        await visit.page.keyboard.press(key)
        names.append(await tab.inner_text())

    assert names == ["Sample", "Camera", "Sample", "Camera", "Sample"]


@pytest.mark.parametrize(("path", "shows"), [("docs", "/v1/images"), ("redoc", "Kinepose")])
async def test_the_documentation_of_the_api_needs_no_network(
    path: str, shows: str, chromium: Browser, served: Server
) -> None:
    """Swagger UI and Redoc show it, and ask nobody else."""
    async for visit in visiting(chromium, served.url):
        await visit.page.goto(f"{served.url}{path}")
        await visit.page.get_by_text(shows).first.wait_for()

        assert visit.complaints == []
