"""The sample that the page opens with: joints are drawn where they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Route

from model.values import Array
from tests.browser.browsing import Server, Visit, needs_chromium, sample_opened, saved, visiting
from tests.browser.demo_clip import true_joints, truth
from tests.browser.drawn import (
    DRAWN_WITHIN_PX,
    TRUE_WITHIN_PX,
    answered_joints,
    at_frame,
    canvas_pixels,
    drawn_distances,
    drawn_joints,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


SAMPLE_FRAMES = (0, 30, 60, 90, 120)


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
