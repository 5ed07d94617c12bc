"""The camera tab, with a fake camera that shows the demo clip."""

import signal
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from service.config import Settings
from service.processes.frontend import RunningServer
from tests.browser.browsing import (
    SHOWN,
    Server,
    Visit,
    launched,
    needs_chromium,
    sample_opened,
    visiting,
)
from tests.browser.demo_clip import nearest_frame, picture_file, true_joints
from tests.browser.drawn import DRAWN_WITHIN_PX, TRUE_WITHIN_PX, answered_joints, at_frame, drawn_distances
from tests.browser.stream import Stream
from tests.support.keys import Keys

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


async def test_the_camera_shows_a_moving_skeleton_on_the_frames_that_were_sent(visit: Visit) -> None:
    """One frame is in flight; each joint is drawn where its answer says, on the very picture it is of."""
    stream = Stream(visit.page)
    await visit.tab("Camera")
    assert not any("/v1/" in url for url in visit.asked)
    await visit.page.get_by_role("button", name="Start the camera").click()
    await stream.answered(40)
    await visit.page.get_by_text("frames/s").wait_for()
    await visit.page.get_by_role("button", name="Stop the camera").click()
    await visit.page.get_by_role("button", name="Play").wait_for()

    assert stream.most_in_flight == 1
    errors = []
    for seq in (5, 15, 25):
        await at_frame(visit.page, seq)
        reply = stream.answers[seq]
        assert np.quantile(await drawn_distances(visit.page, answered_joints(reply)), 0.8) < DRAWN_WITHIN_PX
        truly = true_joints(nearest_frame(stream.pictures[seq]))
        errors.append(await drawn_distances(visit.page, {name: truly[name] for name in answered_joints(reply)}))
    assert np.median(np.concatenate(errors)) < TRUE_WITHIN_PX
    assert visit.complaints == []


async def test_a_camera_that_is_denied_is_told(served: Server) -> None:
    """With what to do about it; the button is there again."""
    async with launched("--use-fake-device-for-media-stream") as browser:
        async for visit in visiting(browser, served.url):
            await visit.tab("Camera")
            await visit.page.get_by_role("button", name="Start the camera").click()

            assert "not allowed" in await visit.page.get_by_role("alert").inner_text()
            assert await visit.page.get_by_role("button", name="Start the camera").is_enabled()


async def test_a_box_is_a_region_and_escape_looks_again(visit: Visit) -> None:
    """The region goes with the next frame; Esc begins another session, whose first frame is searched."""
    stream = Stream(visit.page)
    await visit.tab("Camera")
    await visit.page.get_by_role("button", name="Start the camera").click()
    await stream.answered(5)
    canvas = visit.page.locator(f"{SHOWN} .stage canvas")
    box = await canvas.bounding_box()
    assert box is not None
    await visit.page.mouse.move(box["x"] + 10, box["y"] + 10)
    await visit.page.mouse.down()
    await visit.page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] - 10, steps=3)
    await visit.page.mouse.up()

    await stream.until(lambda: stream.has_source("given"))
    before = stream.answers[-1]["session_id"]
    await canvas.press("Escape")
    await stream.until(lambda: stream.has_source("searched", not_of=before))


async def test_a_server_that_was_killed_is_found_again(visit: Visit, served: Server) -> None:
    """The page says that the connection was lost, and goes on by itself."""
    stream = Stream(visit.page)
    await visit.tab("Camera")
    await visit.page.get_by_role("button", name="Start the camera").click()
    await stream.answered(3)
    served.end(signal.SIGKILL)
    await visit.page.get_by_text("connection was lost").wait_for()
    served.start()

    await stream.answered(3)
    await visit.page.get_by_text("is seen.").first.wait_for()


async def test_a_key_is_asked_for_after_a_401_alone_and_kept_in_memory(
    chromium: Browser, page_keys: Keys, tmp_path: Path
) -> None:
    """The sample shows without one; a wrong one is told; the right one is not stored where it outlives the page."""
    picture = picture_file(tmp_path, 60)
    async with RunningServer(Settings(http_port=0, grpc_port=0, api_keys_file=page_keys.file)) as guarded:
        async for visit in visiting(chromium, f"{guarded.http_url}/"):
            await sample_opened(visit)
            await visit.tab("Picture")
            await visit.page.locator("#panel-picture input[type=file]").set_input_files(picture)
            for key in ("kp_coach_wrong", page_keys.by_name["coach"]):
                await visit.page.get_by_role("textbox", name="API key").fill(key)
                await visit.page.get_by_role("button", name="Use it").click()
            await visit.page.get_by_text("Person 1 is seen.").first.wait_for()
            stored = await visit.page.evaluate(
                "[document.cookie, localStorage.length, sessionStorage.length, location.href]"
            )
            stream = Stream(visit.page)
            await visit.tab("Camera")
            await visit.page.get_by_role("button", name="Start the camera").click()
            await stream.answered(3)

            assert stored == ["", 0, 0, f"{guarded.http_url}/"]
