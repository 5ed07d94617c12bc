"""Contact sheets: people cut from their frames with their joints, side by side on one picture."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from model.coords import crop_input, frame_to_input, region_to_transform
from model.drawing import LEFT, MIDDLE, RIGHT, Colour
from model.values import Array, Frame
from training.contact_sheets.drawing import draw_pose
from training.datasets.person import Clip

TILE = 224
COLUMNS = 6
_GAP = 6
_LINE = 20
_PAPER, _INK = (28, 28, 32), (235, 235, 235)
_MARGIN = 1.4
"""Side of a tile over the person's box: wider than the network's crop, so that a wrong box shows."""

_LETTERS = 30
"""How much of a caption fits under a tile."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One person: picture uint8 [S, S, 3], RGB, and what to write below it."""

    image: Array
    caption: str


def person_tile(clip: Clip, t: int) -> Tile:
    """The person of frame t with the labelled joints and the box."""
    region = clip.region(t)
    transform = region_to_transform(region, TILE, _MARGIN)
    image = crop_input(Frame(clip.frames[t]), transform)
    corners = np.array([[region.x, region.y], [region.x + region.w, region.y + region.h]])
    low, high = np.round(frame_to_input(corners, transform)).astype(int).tolist()
    cv2.rectangle(image, low, high, _INK, 1)
    image = draw_pose(image, frame_to_input(clip.joints[t], transform), clip.labelled[t], skeleton=clip.skeleton)
    return Tile(image, f"{_shortened(clip.name)} #{t}")


def contact_sheet(tiles: list[Tile], title: str) -> Array:
    """All tiles in rows, a title and the meaning of the colours above: uint8 [H, W, 3], RGB.

    Raises:
        ValueError: no tile.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one tile")
    columns = min(COLUMNS, len(tiles))
    step_x, step_y = TILE + _GAP, TILE + _LINE + _GAP
    head = 2 * _LINE + 2 * _GAP
    # Never narrower than two tiles: the title and the legend need the room.
    shape = (head + math.ceil(len(tiles) / columns) * step_y, _GAP + max(2, columns) * step_x, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    _write(sheet, title, _GAP, _LINE - 4, _INK)
    _legend(sheet, 2 * _LINE)
    for i, tile in enumerate(tiles):
        x, y = _GAP + i % columns * step_x, head + i // columns * step_y
        sheet[y : y + TILE, x : x + TILE] = tile.image
        _write(sheet, tile.caption, x, y + TILE + _LINE - 6, _INK)
    return sheet


def _legend(sheet: Array, y: int) -> None:
    x = _GAP
    for colour, text in ((LEFT, "person's left"), (RIGHT, "right"), (MIDDLE, "middle"), (_INK, "box")):
        cv2.rectangle(sheet, (x, y - 11), (x + 12, y + 1), colour, -1)
        _write(sheet, text, x + 18, y, colour)
        x += 36 + 8 * len(text)


def _write(sheet: Array, text: str, x: int, y: int, colour: Colour) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)


def _shortened(name: str) -> str:
    """The beginning and the end of a long name, in letters that OpenCV can write."""
    plain = name.encode("ascii", "replace").decode()
    if len(plain) <= _LETTERS:
        return plain
    half = (_LETTERS - 2) // 2
    return f"{plain[:half]}..{plain[-half:]}"
