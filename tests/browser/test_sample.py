"""The sample that the page opens with: joints are drawn where they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Route

from model.values import Array
from tests.browser.browsing import Server, Visit, needs_chromium, sample_opened, saved, visiting
from tests.browser.demo_clip import JOINTS, true_joints, truth
from tests.browser.drawn import (
    DRAWN_WITHIN_PX,
    TRUE_WITHIN_PX,
    answered_joints,
    at_frame,
    canvas_pixels,
    distances,
    drawn_joints,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


SAMPLE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "service/page/sample.json").read_text())
SAMPLE_FRAMES = range(0, 150, 20)
NOWHERE = (float("nan"), float("nan"))


async def sample_distances(visit: Visit) -> tuple[Array, Array]:
    """Of frames of the sample, from answered and from true joints to drawn ones [T, 13]; NaN where one is hidden."""
    await sample_opened(visit)
    to_answers, to_truth = [], []
    for seq in SAMPLE_FRAMES:
        await at_frame(visit.page, seq)
        drawn, answered = drawn_joints(await canvas_pixels(visit.page)), answered_joints(SAMPLE["frames"][seq])
        to_answers.append(distances(drawn, {name: answered.get(name, NOWHERE) for name in JOINTS}))
        to_truth.append(distances(drawn, true_joints(seq)))
    return np.stack(to_answers), np.stack(to_truth)


async def test_the_sample_opens_with_its_joints_where_the_person_has_them(visit: Visit) -> None:
    """Nothing is asked for before; each joint is drawn where it was answered, near the true one."""
    to_answers, to_truth = await sample_distances(visit)

    assert np.nanmedian(to_answers, axis=0).max() < DRAWN_WITHIN_PX  # in some frames joints overlap
    assert np.nanmedian(to_truth) < TRUE_WITHIN_PX
    assert visit.complaints == []


async def test_one_joint_that_is_drawn_10_pixels_off_is_noticed(chromium: Browser, served: Server) -> None:
    """What the test above measures, on a copy of the page with that fault."""

    async def broken(route: Route) -> None:
        response = await route.fetch()
        text = await response.text()
        assert "[joint.x + 0.5, joint.y + 0.5," in text
        fault = '[joint.x + (joint.name === "left_wrist" ? 10.5 : 0.5),'
        await route.fulfill(response=response, body=text.replace("[joint.x + 0.5,", fault))

    async for visit in visiting(chromium, "about:blank"):
        visit.origin = served.url
        await visit.page.route("**/page/draw.js", broken)
        await visit.page.goto(served.url)
        to_answers, _ = await sample_distances(visit)

        off = np.nanmedian(to_answers, axis=0)
        assert off[JOINTS.index("left_wrist")] > 8
        assert np.delete(off, JOINTS.index("left_wrist")).max() < DRAWN_WITHIN_PX


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


async def test_the_sample_is_saved_in_other_formats_too(visit: Visit) -> None:
    """By the server, and without a clip of one's own."""
    await sample_opened(visit)
    table = (await saved(visit.page, visit.page.get_by_role("button", name="TRC"))).decode()

    assert table.startswith("PathFileType")
    assert visit.complaints == []


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
