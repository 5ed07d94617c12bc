"""Figures made of pictures: crops with joints, heatmaps or relation lines on them, in a grid with names."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from model.coords import crop_input, frame_to_input, region_to_transform
from model.drawing import draw_bone, joint_colour
from model.values import Array, Frame
from training.contact_sheets.drawing import draw_pose
from training.datasets.person import Clip

TILE = 192
_LEFT, _TOP, _GAP = 120, 22, 4
_PAPER, _INK = 255, (30, 30, 30)


def crop(clip: Clip, t: int) -> Array:
    """The person of frame t, uint8 [TILE, TILE, 3]."""
    return crop_input(Frame(clip.frames[t]), region_to_transform(clip.region(t), TILE))


def with_pose(clip: Clip, t: int, joints: Array, labelled: Array | None = None) -> Array:
    """The crop of frame t with joints [K, 2], frame pixels."""
    placed = frame_to_input(joints, region_to_transform(clip.region(t), TILE))
    return draw_pose(crop(clip, t), placed, labelled, skeleton=clip.skeleton)


def with_heat(clip: Clip, t: int, maps: Array) -> Array:
    """The crop of frame t under the largest of its maps [K, h, w]."""
    heat = cv2.resize(maps.max(axis=0).astype(np.float32), (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    coloured = cv2.applyColorMap((heat.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_JET)
    mixed: Array = cv2.addWeighted(crop(clip, t), 0.45, cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB), 0.55, 0)
    return mixed


def with_relation(clip: Clip, t: int, weights: Array, strongest: int = 12) -> Array:
    """The crop of frame t and its strongest relations [K, K] to other joints of the frame before, as lines.

    A line runs from a joint's place now to the place of the joint a frame ago that it takes from; the stronger the
    wider. What a joint takes from itself is not drawn.
    """
    transform = region_to_transform(clip.region(t), TILE)
    now, before = (frame_to_input(clip.joints[at], transform) for at in (t, t - 1))
    shown = weights * (1 - np.eye(len(weights))) * clip.labelled[t][:, None] * clip.labelled[t - 1][None, :]
    picture = np.array(crop(clip, t), order="C")
    order = np.argsort(shown, axis=None)[::-1][:strongest]
    for j, i in zip(*np.unravel_index(order, shown.shape), strict=True):
        width = max(1, round(4 * float(shown[j, i]) / max(float(shown.max()), 1e-9)))
        draw_bone(picture, now[j], before[i], joint_colour(clip.skeleton.joints[int(j)]), width)
    return picture


def grid(rows: Sequence[tuple[str, Sequence[Array]]], columns: Sequence[str]) -> Array:
    """Tiles in named rows and columns, uint8 [H, W, 3], RGB.

    Raises:
        ValueError: a row has another number of tiles than there are columns.
    """
    step = TILE + _GAP
    sheet = np.full((_TOP + len(rows) * step, _LEFT + len(columns) * step, 3), _PAPER, np.uint8)
    for column, name in enumerate(columns):
        _write(sheet, name, _LEFT + column * step + 4, _TOP - 7)
    for number, (name, tiles) in enumerate(rows):
        if len(tiles) != len(columns):
            raise ValueError(f"row {name}: expected {len(columns)} tiles, got {len(tiles)}")
        y = _TOP + number * step
        _write(sheet, name, 4, y + TILE // 2)
        for column, tile in enumerate(tiles):
            x = _LEFT + column * step
            sheet[y : y + TILE, x : x + TILE] = tile
    return sheet


def save(path: Path, picture: Array) -> None:
    """Write uint8 [H, W, 3], RGB, as WebP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 82]):
        raise OSError(f"{path}: the picture cannot be written")


def _write(sheet: Array, text: str, x: int, y: int) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
