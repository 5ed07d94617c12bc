"""A pinhole camera on a tripod: world metres to pixels and back to rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along +y, tilted down; pixel (0, 0) is the centre of the top left pixel.

    focal_px: focal length in pixels, > 0.  size: (width, height) in pixels.
    position: the optical centre, world metres.  tilt: downward tilt in radians.
    """

    focal_px: float
    size: tuple[int, int]
    position: tuple[float, float, float]
    tilt: float

    @property
    def axes(self) -> Array:
        """[3, 3]: the camera's right, down and forward axes as rows, in world coordinates."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([[1.0, 0.0, 0.0], [0.0, -s, -c], [0.0, c, -s]])

    @property
    def centre_px(self) -> Array:
        """[2]: the principal point, the middle of the picture."""
        return (np.array(self.size, dtype=np.float64) - 1.0) / 2.0

    def supersampled(self, factor: int) -> Camera:
        """The same view with factor x factor pixels in the place of each one."""
        width, height = self.size
        return Camera(self.focal_px * factor, (width * factor, height * factor), self.position, self.tilt)


def world_to_pixels(camera: Camera, points: Array) -> Array:
    """[N, 3] world metres to [N, 3] = (x px, y px, depth in metres along the optical axis)."""
    local = (points - np.array(camera.position)) @ camera.axes.T  # [N, 3]
    depth = local[:, 2:3]
    return np.concatenate([camera.focal_px * local[:, :2] / depth + camera.centre_px, depth], axis=1)


def pixel_rays(camera: Camera) -> Array:
    """[H, W, 3]: the unit world direction seen by each pixel's centre."""
    width, height = camera.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    local = np.stack([x - camera.centre_px[0], y - camera.centre_px[1], np.full_like(x, camera.focal_px)], -1)
    rays: Array = local @ camera.axes
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return rays
