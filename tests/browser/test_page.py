"""The page in a real Chromium: what it shows is where it should be, and nothing elsewhere is asked for."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, Route

from model.values import Array
from service.config import Settings
from service.processes.frontend import RunningServer
from tests.browser.conftest import (
    CLIP,
    DESKTOP,
    PHONE,
    ZOOMED,
    Server,
    Visit,
    launched,
    needs_chromium,
    truth,
    visiting,
)
from tests.browser.drawn import SHOWN, canvas_pixels, distances, drawn_joints
from tests.support.keys import Keys

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]

JOINTS: list[str] = json.loads(CLIP.with_suffix(".json").read_text())["joint_names"]
TIMEOUT_S = 30.0
SAMPLE_FRAMES = (0, 30, 60, 90, 120)
DRAWN_WITHIN_PX = 1.5
"""Of where the answer says that a joint is: what circles and squares of whole pixels allow."""
TRUE_WITHIN_PX = 7.0
"""Median error of the model on the demo clip's joints, with room; the picture is 640 wide."""

Point = tuple[float, float]


async def at_frame(page: Page, seq: int) -> None:
    """Move the slider, and wait until that frame is drawn."""
    panel = page.locator(SHOWN)
    await panel.get_by_label("Frame").fill(str(seq))
    await panel.locator(f'.stage canvas[data-seq="{seq}"]').wait_for()


async def sample_opened(visit: Visit) -> None:
    """The sample has played, or is stopped."""
    await visit.page.get_by_role("button", name="Pause").click()
    await visit.page.get_by_role("button", name="Play").wait_for()


async def drawn_distances(page: Page, expected: dict[str, Point]) -> Array:
    """From where joints should be drawn to where they are, pixels [K]."""
    return distances(drawn_joints(await canvas_pixels(page)), expected)


def true_joints(frame: int) -> dict[str, Point]:
    """Joints of a frame of the demo clip, as they are."""
    return {name: (x, y) for name, (x, y) in zip(JOINTS, truth()[frame]["joints"], strict=True)}


def answered_joints(reply: dict[str, Any], hide_below: float = 0.2) -> dict[str, Point]:
    """Joints of the first person of an answer that the page shows."""
    joints = reply["people"][0]["joints"]
    return {joint["name"]: (joint["x"], joint["y"]) for joint in joints if joint["score"] >= hide_below}


async def sample_distances(visit: Visit) -> tuple[Array, Array]:
    """Of the sample's frames, from answered and from true joints to drawn ones."""
    await sample_opened(visit)
    sample = json.loads((Path(__file__).parents[2] / "service/page/sample.json").read_text())
    to_answers, to_truth = [], []
    for seq in SAMPLE_FRAMES:
        await at_frame(visit.page, seq)
        answered = answered_joints(sample["frames"][seq])
        to_answers.append(await drawn_distances(visit.page, answered))
        to_truth.append(await drawn_distances(visit.page, {name: true_joints(seq)[name] for name in answered}))
    return np.concatenate(to_answers), np.concatenate(to_truth)


# -- sample -----------------------------------------------------------------------------------------------


async def test_the_sample_opens_with_its_joints_where_the_person_has_them(visit: Visit) -> None:
    """No camera, no file and no key is asked for before; drawn joints are the answered ones, and near the true ones."""
    to_answers, to_truth = await sample_distances(visit)

    assert np.quantile(to_answers, 0.9) < DRAWN_WITHIN_PX  # the others overlap
    assert np.median(to_truth) < TRUE_WITHIN_PX
    assert visit.complaints == []


async def test_a_joint_that_is_drawn_10_pixels_off_is_noticed(chromium: Browser, served: Server) -> None:
    """What the test above measures, on a copy of the page with that fault."""

    async def broken(route: Route) -> None:
        response = await route.fetch()
        text = await response.text()
        assert "[joint.x + 0.5, joint.y + 0.5," in text
        await route.fulfill(response=response, body=text.replace("[joint.x + 0.5,", "[joint.x + 10.5,"))

    async for visit in visiting(chromium, "about:blank"):
        await visit.page.route("**/page/draw.js", broken)
        visit.origin = served.url
        await visit.page.goto(served.url)
        to_answers, to_truth = await sample_distances(visit)

        assert np.quantile(to_answers, 0.9) > DRAWN_WITHIN_PX
        assert np.median(to_answers) > 8
        assert np.median(to_truth) > TRUE_WITHIN_PX


async def test_hiding_mirroring_and_smoothing_change_what_is_drawn(visit: Visit) -> None:
    """Joints are hidden below a score; mirrored, the picture is turned left to right."""
    await sample_opened(visit)
    await at_frame(visit.page, 60)
    plain = drawn_joints(await canvas_pixels(visit.page))
    await visit.page.get_by_label("Mirror").check()
    mirrored = drawn_joints(await canvas_pixels(visit.page))
    await visit.page.get_by_label("Hide joints").fill("1")
    hidden = drawn_joints(await canvas_pixels(visit.page))

    turned = 639 - plain["left"][:, 0]
    assert np.allclose(np.sort(turned), np.sort(mirrored["left"][:, 0]), atol=1)
    assert len(hidden["left"]) < len(plain["left"])
    await visit.page.get_by_label("Smooth").check()
    assert visit.complaints == []


async def saved(page: Page, button: Locator) -> bytes:
    """The file that a button saves."""
    async with page.expect_download() as download:
        await button.click()
    path = await (await download.value).path()
    return await asyncio.to_thread(path.read_bytes)


async def test_files_are_saved_as_json_and_csv(visit: Visit) -> None:
    """JSON as the server gives it, CSV with a row a frame."""
    await sample_opened(visit)
    whole = json.loads(await saved(visit.page, visit.page.get_by_role("button", name="JSON", exact=True)))
    table = (await saved(visit.page, visit.page.get_by_role("button", name="CSV", exact=True))).decode()

    assert len(whole["frames"]) == len(truth())
    header, *rows = table.splitlines()
    assert header.startswith("frame,pts_us,time_s,outcome,track_id,")
    assert len(rows) == len(truth())
    assert all(row.count(",") == header.count(",") for row in rows)


async def test_tabs_are_moved_between_by_keys(visit: Visit) -> None:
    """Arrows, Home and End, as the pattern of tabs has it."""
    tab = visit.page.get_by_role("tab", selected=True)
    await tab.focus()
    names = [await tab.inner_text()]
    for key in ("ArrowRight", "ArrowLeft", "Home", "End"):
        await visit.page.keyboard.press(key)
        names.append(await tab.inner_text())

    assert names == ["Sample", "Camera", "Sample", "Camera", "Sample"]


# -- camera -----------------------------------------------------------------------------------------------


class Stream:
    """The frames of a page's WebSocket and their answers."""

    def __init__(self, page: Page) -> None:
        self.pictures: list[bytes] = []
        self.answers: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._changed = asyncio.Event()
        page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.pictures.append(message)
            self.most_in_flight = max(self.most_in_flight, len(self.pictures) - len(self.answers))

    def _received(self, text: str) -> None:
        self.answers.append(json.loads(text))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the answer after which it holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def answered(self, count: int) -> None:
        """Wait for so many more answers."""
        goal = len(self.answers) + count
        await self.until(lambda: len(self.answers) >= goal)

    def has_source(self, source: str, not_of: str | None = None) -> bool:
        """Whether somebody was read so, in another session than that one."""
        answers = [answer for answer in self.answers if answer.get("session_id") not in (None, not_of)]
        return any(person["region_source"] == source for answer in answers for person in answer.get("people", []))


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


def nearest_frame(jpeg: bytes) -> int:
    """Which frame of the demo clip a picture is of."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    with av.open(str(CLIP)) as clip:
        grey = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
    return int(np.argmin([np.abs(frame.astype(int) - picture).mean() for frame in grey]))


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


# -- files ------------------------------------------------------------------------------------------------


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


def picture_file(folder: Path, frame: int) -> Path:
    """A frame of the demo clip as PNG."""
    with av.open(str(CLIP)) as clip:
        [decoded] = islice(clip.decode(video=0), frame, frame + 1)
        rgb = decoded.to_ndarray(format="rgb24")
    path = folder / "frame.png"
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


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
    await visit.page.get_by_label("Region").fill("260, 80, 150, 330")
    await visit.page.keyboard.press("Enter")
    await visit.page.get_by_text("(given)").wait_for()
    await visit.page.get_by_role("button", name="Search again").click()
    await visit.page.get_by_text("(searched)").wait_for()


@pytest.mark.parametrize("language", ["curl", "Python"])
async def test_the_code_that_is_shown_does_the_same(language: str, visit: Visit, tmp_path: Path) -> None:
    """Run as it is written, beside the picture."""
    await visit.tab("Picture")
    await choose_picture(visit, tmp_path)
    panel = visit.page.locator("#panel-picture")
    await panel.get_by_text("Show as code").click()
    await panel.get_by_role("button", name=language).click()
    code = await panel.locator("pre").inner_text()
    command = ["bash", "-c", f"{code} --silent --fail"] if language == "curl" else [sys.executable, "-c", code]

    done = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=subprocess.PIPE)
    printed, _ = await done.communicate()

    assert done.returncode == 0
    assert b"left_wrist" in printed


# -- keys -------------------------------------------------------------------------------------------------


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


# -- for everybody ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("visit", [DESKTOP, PHONE, ZOOMED], ids=["desktop", "phone", "zoomed"], indirect=True)
async def test_axe_finds_nothing_serious_in_any_tab(visit: Visit, tmp_path: Path) -> None:
    """Neither serious nor critical, with what each tab shows once it is used; and nothing is wider than the screen."""
    await sample_opened(visit)
    for name, use in (("Sample", None), ("Camera", start_camera), ("Video file", None), ("Picture", choose_picture)):
        await visit.tab(name)
        if use:
            await use(visit, tmp_path)
        found = (await Axe().run(visit.page)).response["violations"]
        grave = [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in ("serious", "critical")]
        wide = await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")

        assert grave == [], name
        assert wide <= 0, name


async def start_camera(visit: Visit, _: Path) -> None:
    """Until somebody is seen."""
    await visit.page.get_by_role("button", name="Start the camera").click()
    await visit.page.locator(f"{SHOWN} table").first.wait_for()


async def choose_picture(visit: Visit, folder: Path) -> None:
    """Until it is read."""
    await visit.page.locator("#panel-picture input[type=file]").set_input_files(picture_file(folder, 60))
    await visit.page.locator(f"{SHOWN} table").first.wait_for()


async def test_who_wants_little_motion_starts_the_sample_themselves(chromium: Browser, served: Server) -> None:
    """It does not play by itself then."""
    async for visit in visiting(chromium, "about:blank"):
        visit.origin = served.url
        await visit.page.emulate_media(reduced_motion="reduce")
        await visit.page.goto(served.url)
        await visit.page.locator('.stage canvas[data-seq="0"]').wait_for()

        assert await visit.page.get_by_role("button", name="Play").is_visible()


@pytest.mark.parametrize(("path", "shows"), [("docs", "/v1/images"), ("redoc", "Kinepose")])
async def test_the_documentation_of_the_api_needs_no_network(
    path: str, shows: str, chromium: Browser, served: Server
) -> None:
    """Swagger UI and Redoc show it, and ask nobody else."""
    async for visit in visiting(chromium, served.url):
        await visit.page.goto(f"{served.url}{path}")
        await visit.page.get_by_text(shows).first.wait_for()

        assert visit.complaints == []
