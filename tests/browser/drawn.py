"""Where joints are drawn on the page's canvas, read off its pixels."""

import base64
from typing import Any

import cv2
import numpy as np
from playwright.async_api import Page

from model.values import Array
from tests.browser.browsing import SHOWN
from tests.browser.demo_clip import Point

SIDES = {"left": (0x2E, 0xC4, 0xB6), "right": (0xFF, 0x9F, 0x43), "middle": (0xF5, 0xF7, 0xFA)}
"""Colours that the page fills its joints with, RGB."""
CORE = np.ones((3, 3), np.uint8)
"""Bones are thinner than this, joints are not."""

DRAWN_WITHIN_PX = 1.5
"""Of where the answer says that a joint is: what circles and squares of whole pixels allow."""
TRUE_WITHIN_PX = 7.0
"""Median error of the model on the demo clip's joints, with room; the picture is 640 wide."""

Points = dict[str, Array]


async def canvas_pixels(page: Page) -> Array:
    """What the canvas shows, RGB uint8 [H, W, 3]."""
    url = await page.locator(f"{SHOWN} .stage canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    return pixels_of(url)


def pixels_of(data_url: str) -> Array:
    """The picture of a data URL, RGB uint8 [H, W, 3]."""
    data = np.frombuffer(base64.b64decode(data_url.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    rgb: Array = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return rgb


def drawn_joints(rgb: Array) -> Points:
    """Centres [N, 2] of the joints of each side, pixel centres at integers. Joints that overlap are one."""
    return {side: _centres(rgb, colour) for side, colour in SIDES.items()}


def _centres(rgb: Array, colour: tuple[int, int, int]) -> Array:
    near = np.asarray((np.abs(rgb.astype(int) - colour) <= 2).all(axis=2), np.uint8)
    cores = cv2.erode(near, CORE)
    _, _, _, centres = cv2.connectedComponentsWithStats(cores, connectivity=8)
    points: Array = centres[1:]  # the first is the ground
    return points


def distances(drawn: Points, truth: dict[str, Point]) -> Array:
    """From each true joint to the nearest drawn one of its side, pixels [K]."""
    return np.array([_nearest(drawn[_side(name)], np.array(point)) for name, point in truth.items()])


def _nearest(points: Array, point: Array) -> float:
    return float(np.linalg.norm(points - point, axis=1).min()) if len(points) else float("inf")


def _side(name: str) -> str:
    side = name.partition("_")[0]
    return side if side in SIDES else "middle"


async def at_frame(page: Page, seq: int) -> None:
    """Move the slider, and wait until that frame is drawn."""
    panel = page.locator(SHOWN)
    await panel.get_by_label("Frame").fill(str(seq))
    await panel.locator(f'.stage canvas[data-seq="{seq}"]').wait_for()


async def drawn_distances(page: Page, expected: dict[str, Point]) -> Array:
    """From where joints should be drawn to where they are, pixels [K]."""
    return distances(drawn_joints(await canvas_pixels(page)), expected)


def answered_joints(reply: dict[str, Any], hide_below: float = 0.2) -> dict[str, Point]:
    """Joints of the first person of an answer that the page shows."""
    joints = reply["people"][0]["joints"]
    return {joint["name"]: (joint["x"], joint["y"]) for joint in joints if joint["score"] >= hide_below}
