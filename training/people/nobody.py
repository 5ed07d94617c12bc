"""Pictures without people: whoever is read in them is false.

Made up: black and other flat colours, noise, test cards, textures, rooms. Out of JHMDB: what lies beside the person of
a frame, where no other person does.
"""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from model.values import Array
from training.datasets.person import Clip
from training.samples.absent import made_up

SIZES = ((320, 240), (640, 360), (360, 640), (480, 480))
"""Width and height, in turn."""

Maker = Callable[[np.random.Generator, int, int], Array]


def nobodies(count: int = 40, seed: int = 0) -> Iterator[tuple[str, Array]]:
    """So many made-up pictures uint8 [H, W, 3] of each kind, with its name."""
    for number, (kind, make) in enumerate(MAKERS.items()):
        rng = np.random.default_rng([seed, number])
        for n in range(count):
            width, height = SIZES[n % len(SIZES)]
            yield kind, make(rng, width, height)


def beside_people(clips: Sequence[Clip], seed: int = 0) -> Iterator[tuple[str, Array]]:
    """Of each clip that has room beside its person in the first frame, that part of the picture."""
    for clip in clips:
        picture = _beside(clip)
        if picture is not None:
            yield "beside people", picture


_LEAST_SIDE = 80
"""Shorter side of what is cut out, pixels."""
_GROWTH = 0.25
"""What the person's box grows by on each side, of its longer side: hands, tools and shadows."""


def _beside(clip: Clip) -> Array | None:
    """The largest part of frame 0 that lies on one side of the person in every frame; None where it is small."""
    height, width = clip.frames[0].shape[:2]
    box = clip.boxes[0]
    grown = _GROWTH * float(max(box[2:]))
    left, right = round(float(box[0]) - grown), round(float(box[0] + box[2]) + grown)
    first, last = (0, left) if left >= width - right else (right, width)
    return clip.frames[0][:, first:last] if min(last - first, height) >= _LEAST_SIDE else None


# -- kinds of pictures that are made up -------------------------------------------------------------------


def _flat(rng: np.random.Generator, width: int, height: int) -> Array:
    """Every fourth is black."""
    colour = rng.integers(0, 256, 3) * (rng.random() > 0.25)
    return np.full((height, width, 3), colour, np.uint8)


def _noise(rng: np.random.Generator, width: int, height: int) -> Array:
    return cv2.resize(made_up(256, rng), (width, height), interpolation=cv2.INTER_NEAREST)


def _test_card(rng: np.random.Generator, width: int, height: int) -> Array:
    """Bars, checks, a grid, a ramp, or rings, each with a bright disc or none."""
    y, x = np.mgrid[0:height, 0:width]
    cell = int(rng.integers(8, 60))
    pattern = int(rng.integers(5))
    colours = rng.integers(0, 256, (8, 3)).astype(np.uint8)
    if pattern == 0:
        index = x * 8 // width
    elif pattern == 1:
        index = (x // cell + y // cell) % 2
    elif pattern == 2:
        index = ((x % cell < 2) | (y % cell < 2)).astype(int)
    elif pattern == 3:
        index = y * 8 // height
    else:
        index = (np.hypot(x - width / 2, y - height / 2) // cell).astype(int) % 8
    card = np.ascontiguousarray(colours[index])
    if rng.random() < 0.5:
        radius = int(rng.uniform(0.1, 0.45) * min(width, height))
        cv2.circle(card, (width // 2, height // 2), radius, colours[0].tolist(), int(rng.integers(-1, 6)) or 1)
    return card


def _texture(rng: np.random.Generator, width: int, height: int) -> Array:
    """Noise of many grains on one another, as clouds, bark and stone have, or bent stripes, as cloth has."""
    planes: Array = np.zeros((height, width), np.float32)
    for octave in range(1, 7):
        grain = rng.normal(size=(2**octave + 1, 2**octave + 1)).astype(np.float32)
        planes = planes + cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC) / 1.6**octave
    if rng.random() < 0.5:
        planes = np.sin(planes * rng.uniform(2, 20)).astype(np.float32)
    low, high = planes.min(), planes.max()
    share = ((planes - low) / (high - low))[..., None]
    first, second = rng.integers(0, 256, (2, 3))
    texture: Array = (first + (second - first) * share).astype(np.uint8)
    return texture


def _room(rng: np.random.Generator, width: int, height: int) -> Array:
    """A room in perspective: walls, floor and ceiling, a window, pictures, and furniture made of boxes."""
    picture = np.zeros((height, width, 3), np.uint8)
    x0, x1 = sorted(rng.uniform([0.1, 0.6], [0.4, 0.9]) * width)
    y0, y1 = sorted(rng.uniform([0.1, 0.5], [0.3, 0.8]) * height)
    back = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    edge = np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])
    for n in range(4):
        m = (n + 1) % 4
        _polygon(picture, [edge[n], edge[m], back[m], back[n]], rng)
    _polygon(picture, list(back), rng)
    for _ in range(int(rng.integers(1, 4))):  # on the wall
        corner, size = rng.uniform([x0, y0], [x1, y1]), rng.uniform(0.05, 0.25, 2) * (width, height)
        _polygon(picture, _rectangle(corner, size), rng)
    for _ in range(int(rng.integers(1, 6))):
        _furniture(picture, rng)
    light = cv2.resize(rng.uniform(0.5, 1.1, (3, 3)).astype(np.float32), (width, height))[..., None]
    grain = rng.normal(0, 4, picture.shape)
    return cv2.GaussianBlur((picture * light + grain).clip(0, 255).astype(np.uint8), (3, 3), 0)


def _furniture(picture: Array, rng: np.random.Generator) -> None:
    """A box with a front, a side and a top, on legs or not."""
    height, width = picture.shape[:2]
    corner = rng.uniform([0.0, 0.45], [0.9, 0.8]) * (width, height)
    size = rng.uniform([0.05, 0.08], [0.35, 0.45]) * (width, height)
    depth = rng.uniform(-0.12, 0.12) * width, -rng.uniform(0.02, 0.1) * height
    front = _rectangle(corner, size)
    beyond = [point + depth for point in front]
    _polygon(picture, [front[0], front[1], beyond[1], beyond[0]], rng)
    side = (1, 2) if depth[0] > 0 else (0, 3)
    _polygon(picture, [front[side[0]], beyond[side[0]], beyond[side[1]], front[side[1]]], rng)
    _polygon(picture, front, rng)
    if rng.random() < 0.5:  # a lamp or a vase on it
        middle = (front[0] + front[1]) / 2
        cv2.circle(picture, _cell(middle - (0, size[1] / 4)), int(min(size) / 4) + 1, _colour(rng), -1)
        cv2.line(picture, _cell(middle), _cell(middle - (0, size[1] / 4)), _colour(rng), 3)


def _rectangle(corner: Array, size: Array) -> list[Array]:
    return [corner, corner + size * (1, 0), corner + size, corner + size * (0, 1)]


def _polygon(picture: Array, points: Sequence[Array], rng: np.random.Generator) -> None:
    cv2.fillPoly(picture, [np.array([_cell(point) for point in points], np.int32)], _colour(rng), cv2.LINE_AA)


def _cell(point: Array) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(20, 240, 3))
    return red, green, blue


MAKERS: dict[str, Maker] = {
    "flat": _flat,
    "noise": _noise,
    "test card": _test_card,
    "texture": _texture,
    "room": _room,
}
"""Kinds of pictures that are made up."""
