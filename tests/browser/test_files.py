"""The tabs of video files and pictures."""

import asyncio
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.browser.browsing import SHOWN, Visit, choose_picture, needs_chromium, saved, start_camera
from tests.browser.demo_clip import CLIP, picture_file, true_joints
from tests.browser.drawn import TRUE_WITHIN_PX, at_frame, canvas_pixels, drawn_distances, drawn_joints

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


async def test_a_video_is_read_as_a_job_and_saved_with_its_joints_drawn(visit: Visit, tmp_path: Path) -> None:
    """Sent, watched, played; the server draws the MP4, and clears all away when asked."""
    await visit.tab("Video file")
    panel = visit.page.locator("#panel-video")
    await panel.locator("input[type=file]").set_input_files(CLIP)
    await panel.get_by_role("button", name="Play").wait_for()
    await at_frame(visit.page, 60)
    answer = await drawn_distances(visit.page, true_joints(60))
    drawn = await saved(visit.page, panel.get_by_role("button", name="MP4 with joints"))
    trc = await saved(visit.page, panel.get_by_role("button", name="TRC"))
    await panel.get_by_role("button", name="Clear it away").click()

    assert np.median(answer) < TRUE_WITHIN_PX
    assert drawn[4:8] == b"ftyp"
    assert trc.startswith(b"PathFileType")
    await panel.get_by_role("button", name="Play").wait_for(state="detached")
    assert visit.complaints == []


async def test_a_video_is_cancelled(visit: Visit) -> None:
    """Nothing is shown, and another may be chosen."""
    await visit.tab("Video file")
    panel = visit.page.locator("#panel-video")
    await panel.locator("input[type=file]").set_input_files(CLIP)
    await panel.get_by_role("button", name="Cancel").click()
    await panel.get_by_role("button", name="Cancel").wait_for(state="detached")

    assert await panel.get_by_role("button", name="Choose a video").is_enabled()
    assert await panel.get_by_role("alert").count() == 0


async def test_what_is_no_video_is_told(visit: Visit, tmp_path: Path) -> None:
    """With the words of the server."""
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    await visit.tab("Video file")
    await visit.page.locator("#panel-video input[type=file]").set_input_files(text)

    assert await visit.page.locator("#panel-video").get_by_role("alert").inner_text()


async def test_a_picture_is_read_where_the_person_is(visit: Visit, tmp_path: Path) -> None:
    """Joints on the canvas and as text; code that does the same."""
    await visit.tab("Picture")
    panel = visit.page.locator("#panel-picture")
    await panel.locator("input[type=file]").set_input_files(picture_file(tmp_path, 60))
    await panel.get_by_text("Person 1 is seen.").first.wait_for()
    found = await drawn_distances(visit.page, true_joints(60))

    assert np.median(found) < TRUE_WITHIN_PX
    assert "left wrist" in await panel.locator("table").inner_text()
    assert visit.complaints == []


async def test_where_nobody_is_the_page_says_so(visit: Visit, tmp_path: Path) -> None:
    """In words, and with no joint drawn."""
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), 128, np.uint8))
    await visit.tab("Picture")
    await visit.page.locator("#panel-picture input[type=file]").set_input_files(path)
    await visit.page.get_by_text("Nobody is seen.").first.wait_for()

    assert all(len(points) == 0 for points in drawn_joints(await canvas_pixels(visit.page)).values())


async def test_a_region_is_given_by_keyboard_too(visit: Visit, tmp_path: Path) -> None:
    """The person is read in it; searching again forgets it."""
    await visit.tab("Picture")
    await choose_picture(visit, tmp_path)
    panel = visit.page.locator(SHOWN)
    await panel.get_by_label("Region").fill("260, 80, 150, 330")
    await visit.page.keyboard.press("Enter")
    await panel.get_by_text("(given)").wait_for()
    await panel.get_by_role("button", name="Search again").click()
    await panel.get_by_text("(searched)").wait_for()


async def shown_code(visit: Visit, language: str) -> str:
    """The code that the page shows in this tab."""
    panel = visit.page.locator(SHOWN)
    if not await panel.locator("pre").is_visible():
        await panel.get_by_text("Show as code").click()
    await panel.get_by_role("button", name=language).click()
    return await panel.locator("pre").inner_text()


async def printed_by(command: list[str], folder: Path) -> bytes:
    """What a program prints that ends well."""
    done = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=subprocess.PIPE)
    printed, _ = await done.communicate()
    assert done.returncode == 0
    return printed


async def test_the_code_that_is_shown_for_a_picture_reads_it(visit: Visit, tmp_path: Path) -> None:
    """As it is written, beside the picture; JavaScript in the browser."""
    await visit.tab("Picture")
    await choose_picture(visit, tmp_path)
    curl, python, javascript = [await shown_code(visit, name) for name in ("curl", "Python", "JavaScript")]
    a_file = "const file = await new Promise(done => document.querySelector('#panel-picture canvas').toBlob(done));"
    people = await visit.page.evaluate(f"async () => {{ {a_file}\n{javascript}\nreturn people; }}")

    assert b"left_wrist" in await printed_by(["bash", "-c", f"{curl} --silent --fail"], tmp_path)
    assert b"left_wrist" in await printed_by([sys.executable, "-c", python], tmp_path)
    assert len(people) == 1


async def test_the_code_that_is_shown_for_a_camera_reads_a_folder_of_frames(visit: Visit, tmp_path: Path) -> None:
    """A session, and its frames over WebSocket."""
    await visit.tab("Camera")
    await start_camera(visit, tmp_path)
    python = await shown_code(visit, "Python")
    (tmp_path / "frames").mkdir()
    frame = cv2.imread(str(picture_file(tmp_path, 60)))
    assert frame is not None
    for name in ("1.jpg", "2.jpg"):
        cv2.imwrite(str(tmp_path / "frames" / name), frame)

    printed = await printed_by([sys.executable, "-c", python], tmp_path)

    assert printed.count(b"left_wrist") == 2
