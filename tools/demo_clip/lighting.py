"""Light in the room: a wide key light from high on the left, and a dome of fill light; both cast shadows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_clip.raster import rasterise

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lamp:
    """Light from far away. towards [3]: unit vector to the lamp.  colour [3]: linear RGB irradiance."""

    towards: Array
    colour: Array


def _lamp(towards: tuple[float, float, float], colour: tuple[float, float, float]) -> Lamp:
    vector = np.array(towards)
    return Lamp(vector / np.linalg.norm(vector), np.array(colour))


def key_lamps() -> tuple[Lamp, ...]:
    """A bright window, as five lamps side by side so that shadows have soft edges."""
    colour = (0.50, 0.475, 0.43)
    spots = [(-0.72, -0.62), (-0.52, -0.74), (-0.84, -0.46), (-0.62, -0.50), (-0.76, -0.80)]
    return tuple(_lamp((x, y, z), colour) for (x, y), z in zip(spots, (1.05, 1.2, 0.95, 1.3, 0.85), strict=True))


def dome_lamps(count: int = 12) -> tuple[Lamp, ...]:
    """The light of ceiling and walls: lamps spread evenly over the upper half of the sky by a golden spiral."""
    lamps = []
    for k in range(count):
        height = 0.06 + 0.90 * (k + 0.5) / count
        angle = k * np.pi * (3.0 - np.sqrt(5.0))
        flat = np.sqrt(1.0 - height**2)
        towards = (flat * float(np.cos(angle)), flat * float(np.sin(angle)), height)
        strength = 1.35 / count * (0.7 + 0.5 * height)
        lamps.append(_lamp(towards, (strength * 0.95, strength, strength * 1.08)))
    return tuple(lamps)


BOUNCE = np.array([0.22, 0.165, 0.115])  # light that the wooden floor throws back up

Visibility = Callable[[Array], Array]


def depth_map(vertices: Array, faces: Ints, lamp: Lamp, cell: float, bias: float, blur: int) -> Visibility:
    """What the lamp sees of a mesh, as a function: world points [N, 3] to [N], 1 lit and 0 in shadow.

    cell: size of a map's cell in metres.  bias: how far behind the surface a point must lie to be in its
    shadow, metres.  blur: half-width in cells of the square over which the answer is averaged.
    """
    across = np.cross(lamp.towards, [0.0, 1.0, 0.01])
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(lamp.towards, across), -lamp.towards])  # rows: map x, map y, away
    seen = vertices @ axes.T
    low = seen.min(axis=0) - cell * (blur + 2)
    size = np.ceil((seen.max(axis=0) - low)[:2] / cell).astype(int) + blur + 3
    # The rasteriser wants depth > 0 and interpolates by its inverse: far off, that is linear again.
    far = np.array([0.0, 0.0, 1000.0])
    screen = (seen - low) / np.array([cell, cell, 1.0]) + far
    surface = rasterise(screen, faces, (int(size[0]), int(size[1])))
    nearest = np.full(int(size[0] * size[1]), np.inf)
    nearest[surface.pixels] = surface.depth
    grid = nearest.reshape(int(size[1]), int(size[0]))

    def visibility(points: Array) -> Array:
        place = (points @ axes.T - low) / np.array([cell, cell, 1.0]) + far
        column, row = np.rint(place[:, 0]).astype(int), np.rint(place[:, 1]).astype(int)
        lit = np.zeros(len(points))
        offsets = range(-blur, blur + 1)
        for dy in offsets:
            for dx in offsets:
                c, r = column + dx, row + dy
                inside = (c >= 0) & (r >= 0) & (c < grid.shape[1]) & (r < grid.shape[0])
                before = grid[np.where(inside, r, 0), np.where(inside, c, 0)]
                lit += ~inside | (place[:, 2] < before + bias)
        return lit / len(offsets) ** 2

    return visibility


@dataclass(frozen=True)
class Shadows:
    """The shadows that a mesh casts, one function for each of the room's lamps."""

    key: tuple[Visibility, ...]
    dome: tuple[Visibility, ...]


def cast_shadows(vertices: Array, faces: Ints) -> Shadows:
    """Depth maps of the mesh for all lamps."""
    return Shadows(
        tuple(depth_map(vertices, faces, lamp, 0.008, 0.02, 1) for lamp in key_lamps()),
        tuple(depth_map(vertices, faces, lamp, 0.022, 0.03, 0) for lamp in dome_lamps()),
    )


def irradiance(normals: Array, key: list[Array], dome: list[Array]) -> Array:
    """[N, 3] light that arrives at surfaces with normals [N, 3], given each lamp's visibility [N]."""
    total: Array = np.clip(0.5 - 0.5 * normals[:, 2:3], 0.0, 1.0) * BOUNCE
    for lamp, seen in zip((*key_lamps(), *dome_lamps()), (*key, *dome), strict=True):
        facing = np.clip(normals @ lamp.towards, 0.0, None) * seen
        total = total + facing[:, None] * lamp.colour
    return total


def highlight(normals: Array, view: Array, sharpness: float) -> Array:
    """[N]: the key lights' shine (Blinn-Phong) for unit normals and unit vectors to the eye, both [N, 3]."""
    total = np.zeros(len(normals))
    for lamp in key_lamps():
        half = lamp.towards + view
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        total += np.clip((half * normals).sum(axis=1), 0.0, None) ** sharpness
    return total / len(key_lamps())
