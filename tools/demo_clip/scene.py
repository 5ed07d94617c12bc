"""The room: a sports hall with a plank floor, a painted wall, wall bars, a bench, a box and a ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_clip.camera import Camera, pixel_rays
from tools.demo_clip.lighting import dome_lamps, irradiance, key_lamps
from tools.demo_clip.noise import cell_noise, solid_noise

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

WALL_Y = 3.4
SIDE_X = -3.3
FAR = 1e6


@dataclass(frozen=True)
class Block:
    """An upright box: two opposite corners in metres, linear RGB, and how much its grain shows."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: tuple[float, float, float]
    grain: float


@dataclass(frozen=True)
class Ball:
    """A sphere: centre and radius in metres, linear RGB."""

    centre: tuple[float, float, float]
    radius: float
    colour: tuple[float, float, float]


WOOD = (0.42, 0.25, 0.12)
BEECH = (0.50, 0.34, 0.18)


def furniture() -> tuple[tuple[tuple[Block, ...], ...], tuple[Ball, ...]]:
    """What stands in the room: blocks, in groups that stand close together, and balls."""
    blocks = [
        Block((-3.3, WALL_Y - 0.025, 0.0), (6.0, WALL_Y, 0.12), (0.30, 0.29, 0.27), 0.1),
        Block((-2.55, 2.2, 0.0), (-1.95, 2.75, 0.52), (0.50, 0.33, 0.17), 0.5),
        Block((-2.47, 2.28, 0.52), (-2.03, 2.67, 0.80), (0.50, 0.33, 0.17), 0.5),
        Block((0.55, 2.75, 0.36), (3.4, 3.05, 0.41), BEECH, 0.4),
        Block((0.75, 2.79, 0.0), (0.83, 3.01, 0.36), BEECH, 0.4),
        Block((2.30, 2.79, 0.0), (2.38, 3.01, 0.36), BEECH, 0.4),
        Block((-1.05, WALL_Y - 0.03, 1.15), (-0.35, WALL_Y, 2.1), (0.05, 0.16, 0.22), 0.05),
        Block((-1.00, WALL_Y - 0.035, 1.20), (-0.40, WALL_Y - 0.02, 2.05), (0.55, 0.52, 0.45), 0.05),
        Block((-0.93, WALL_Y - 0.04, 1.55), (-0.47, WALL_Y - 0.02, 1.95), (0.48, 0.20, 0.08), 0.3),
    ]
    bars = []
    for x in (1.15, 2.05, 2.95):
        bars.append(Block((x, WALL_Y - 0.16, 0.12), (x + 0.05, WALL_Y - 0.02, 2.6), WOOD, 0.4))
    for k in range(14):
        height = 0.35 + 0.165 * k
        bars.append(Block((1.17, WALL_Y - 0.14, height), (2.98, WALL_Y - 0.10, height + 0.035), BEECH, 0.4))
    balls = [
        Ball((-1.25, 2.75, 0.32), 0.32, (0.32, 0.06, 0.07)),
        Ball((-1.78, 2.42, 0.12), 0.12, (0.50, 0.24, 0.06)),
    ]
    near_wall, low, bench = blocks[:1] + blocks[6:], blocks[1:3], blocks[3:6]
    return tuple(tuple(group) for group in (near_wall, low, bench, bars)), tuple(balls)


def rays_into(group: tuple[Block, ...], origin: Array, rays: Array) -> NDArray[np.int64]:
    """Indices of the rays that pass the box round a group; the others cannot meet any block of it."""
    low = np.min([block.low for block in group], axis=0)
    high = np.max([block.high for block in group], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - origin) / rays, (high - origin) / rays
    leaves = np.maximum(one, two).min(axis=1)
    return np.flatnonzero((np.minimum(one, two).max(axis=1) <= leaves) & (leaves > 0.0))


@dataclass(frozen=True)
class Hit:
    """Where rays meet the room. distance [N], normal [N, 3], colour [N, 3] (albedo), floor [N]."""

    distance: Array
    normal: Array
    colour: Array
    floor: Bools


def enter_block(block: Block, origin: Array, rays: Array) -> tuple[Array, Array]:
    """[N] distance at which rays from origin [3] or [N, 3] enter the box (FAR if never) and its normals."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (np.array(block.low) - origin) / rays
        two = (np.array(block.high) - origin) / rays
    near, away = np.minimum(one, two), np.maximum(one, two)
    axis = near.argmax(axis=1)
    start = near.max(axis=1)
    met = (start < away.min(axis=1)) & (start > 1e-4)
    normal = np.zeros_like(rays)
    normal[np.arange(len(rays)), axis] = -np.sign(rays[np.arange(len(rays)), axis])
    return np.where(met, start, FAR), normal


def enter_ball(ball: Ball, origin: Array, rays: Array) -> tuple[Array, Array]:
    """As enter_block, for a sphere."""
    offset = np.broadcast_to(origin - np.array(ball.centre), rays.shape)
    middle = -(offset * rays).sum(axis=1)
    square = middle**2 - (offset * offset).sum(axis=1) + ball.radius**2
    start = middle - np.sqrt(np.maximum(square, 0.0))
    met = (square > 0.0) & (start > 1e-4)
    return np.where(met, start, FAR), (offset + start[:, None] * rays) / ball.radius


def trace(origin: Array, rays: Array) -> Hit:
    """The first surface of the room along each ray [N, 3] from origin [3]."""
    distance, normal, colour = _shell(origin, rays)
    floor = normal[:, 2] > 0.5
    groups, balls = furniture()
    for group in groups:
        index = rays_into(group, origin, rays)
        for block in group:
            start, facing = enter_block(block, origin, rays[index])
            wins = start < distance[index]
            nearer, start = index[wins], start[wins]
            grain = solid_noise((origin + start[:, None] * rays[nearer]) * [0.6, 1.0, 1.0], 0.06, seed=40)
            colour[nearer] = np.array(block.colour) * np.exp(0.16 * block.grain * grain)[:, None]
            distance[nearer], normal[nearer], floor[nearer] = start, facing[wins], False
    for ball in balls:
        start, facing = enter_ball(ball, origin, rays)
        wins = start < distance
        colour[wins] = np.array(ball.colour)
        distance[wins], normal[wins], floor[wins] = start[wins], facing[wins], False
    return Hit(distance, normal, colour, floor)


def _shell(origin: Array, rays: Array) -> tuple[Array, Array, Array]:
    """Floor, back wall and left wall."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down = np.where(rays[:, 2] < 0.0, -origin[2] / rays[:, 2], FAR)
        back = np.where(rays[:, 1] > 0.0, (WALL_Y - origin[1]) / rays[:, 1], FAR)
        left = np.where(rays[:, 0] < 0.0, (SIDE_X - origin[0]) / rays[:, 0], FAR)
    distances = np.stack([down, back, left], axis=1)
    which = distances.argmin(axis=1)
    distance = distances.min(axis=1)
    normal = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])[which]
    where = origin + distance[:, None] * rays
    colour = np.where((which == 0)[:, None], floor_colour(where), wall_colour(where))
    return distance, normal, colour


def floor_colour(points: Array) -> Array:
    """[N, 3]: oak planks that run along x, with two painted lines of a court."""
    row = np.floor(points[:, 1] / 0.11).astype(np.int64)
    column = np.floor(points[:, 0] / 1.3 + cell_noise(row, 1)).astype(np.int64)
    tone = 0.80 + 0.36 * cell_noise(row * 57 + column * 131, 2)
    grain = solid_noise(points * np.array([0.12, 1.0, 1.0]), 0.02, seed=11)
    colour = np.array([0.36, 0.215, 0.105]) * (tone * (1.0 + 0.06 * grain))[:, None]
    seam = np.minimum(points[:, 1] / 0.11 - row, 1.0 - points[:, 1] / 0.11 + row) < 0.025
    colour[seam] *= 0.55
    line = np.abs(points[:, 1] - 1.75) < 0.03
    colour[line] = np.array([0.55, 0.55, 0.52])
    other = np.abs(points[:, 0] + 0.35 * points[:, 1] - 1.9) < 0.03
    colour[other] = np.array([0.10, 0.20, 0.38])
    scuff = 1.0 + 0.05 * solid_noise(points, 0.6, seed=12)
    scuffed: Array = colour * scuff[:, None]
    return scuffed


def wall_colour(points: Array) -> Array:
    """[N, 3]: plaster, grey-green up to shoulder height and off-white above, with stains and roller marks."""
    low = points[:, 2] < 1.02
    colour = np.where(low[:, None], [0.25, 0.31, 0.28], [0.52, 0.49, 0.43])
    edge = np.abs(points[:, 2] - 1.03) < 0.018
    colour[edge] = [0.12, 0.15, 0.14]
    stain = 0.05 * solid_noise(points, 0.7, seed=13) + 0.02 * solid_noise(points, 0.04, seed=14)
    stained: Array = colour * (1.0 + stain)[:, None]
    return stained


def _blocked(points: Array, towards: Array) -> Array:
    """[N]: 0 where furniture stands between the points [N, 3] and a lamp, else 1."""
    groups, balls = furniture()
    rays = np.broadcast_to(towards, points.shape)
    clear = np.ones(len(points), dtype=bool)
    for group in groups:
        index = rays_into(group, points, rays)
        for block in group:
            clear[index] &= enter_block(block, points[index], rays[index])[0] >= FAR
    for ball in balls:
        clear &= enter_ball(ball, points, rays)[0] >= FAR
    return clear.astype(np.float64)


def render_room(camera: Camera) -> tuple[Array, Array]:
    """The empty room: radiance [H, W, 3] (linear RGB), and for each pixel the floor point [H, W, 3] it shows.

    Pixels that show something else than floor have NaN for a point.
    """
    width, height = camera.size
    origin = np.array(camera.position)
    rows = np.array_split(pixel_rays(camera), max(height // 40, 1))
    parts = [_shade(origin, chunk.reshape(-1, 3)) for chunk in rows]
    radiance = np.concatenate([p[0] for p in parts]).reshape(height, width, 3)
    ground = np.concatenate([p[1] for p in parts]).reshape(height, width, 3)
    return radiance, ground


def _shade(origin: Array, rays: Array) -> tuple[Array, Array]:
    hit = trace(origin, rays)
    points = origin + hit.distance[:, None] * rays
    lifted = points + 1e-3 * hit.normal
    key = [_blocked(lifted, lamp.towards) for lamp in key_lamps()]
    dome = [_blocked(lifted, lamp.towards) for lamp in dome_lamps()]
    light = irradiance(hit.normal, key, dome) * _falloff(points)[:, None]
    radiance = hit.colour * light
    radiance[hit.floor] += _gloss(points[hit.floor], rays[hit.floor])
    return radiance, np.where(hit.floor[:, None], points, np.nan)


def _falloff(points: Array) -> Array:
    """[N]: the windows are near the front left, so the far right corner is darker; corners hold less light."""
    corner = 0.75 + 0.25 * np.clip((WALL_Y - points[:, 1]) / 0.5 + np.clip(points[:, 2] / 0.6, 0, 1), 0.0, 1.0)
    across = np.clip(1.04 - 0.07 * (points[:, 0] + 1.5), 0.6, 1.2)
    falloff: Array = corner * across * np.clip(1.06 - 0.06 * (points[:, 1] + 1.0), 0.7, 1.15)
    return falloff


def _gloss(points: Array, rays: Array) -> Array:
    """[N, 3]: the lacquer of the floor mirrors the room a little, more so at a flat angle."""
    wobble = 0.010 * np.stack([solid_noise(points, 0.3, seed=15), solid_noise(points, 0.3, seed=16)], axis=1)
    mirrored = rays * np.array([1.0, 1.0, -1.0])
    mirrored[:, :2] += wobble
    mirrored /= np.linalg.norm(mirrored, axis=1, keepdims=True)
    strength = 0.03 + 0.5 * (1.0 - np.abs(rays[:, 2])) ** 5
    # A matt mirror: only the colour of the wall and its big shapes come back, at half strength.
    reached = (WALL_Y - points[:, 1]) / np.maximum(mirrored[:, 1], 1e-3)
    where = points + reached[:, None] * mirrored
    glow: Array = strength[:, None] * wall_colour(where) * 0.55
    return glow
