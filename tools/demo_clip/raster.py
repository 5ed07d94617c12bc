"""A z-buffer for triangle meshes: which triangle each pixel sees, and where inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Surface:
    """The pixels that a mesh covers, P of them.

    pixels [P]: row-major pixel index.  faces [P]: the triangle seen.  weights [P, 3]: of its corners, sum 1,
    right for interpolation in space (perspective taken into account).  depth [P]: as given for the vertices.
    """

    pixels: Ints
    faces: Ints
    weights: Array
    depth: Array

    def interpolate(self, values: Array, faces: Ints) -> Array:
        """Vertex values [V, C] and the mesh's triangles [F, 3] to pixel values [P, C]."""
        values_seen: Array = np.einsum("pk,pkc->pc", self.weights, values[faces[self.faces]])
        return values_seen


def rasterise(screen: Array, faces: Ints, size: tuple[int, int]) -> Surface:
    """Find the nearest triangle of each pixel.

    screen [V, 3]: x px, y px, depth > 0 of each vertex.  faces [F, 3].  size: (width, height).
    Triangles may wind either way; pixel centres lie on whole numbers.
    """
    face, x, y = _candidates(screen, faces, size)
    corners = screen[faces[face]]  # [C, 3, 3]
    weights = _barycentric(corners, x, y)  # [C, 3]
    inside = np.all(weights >= 0.0, axis=1)
    face, x, y, weights = face[inside], x[inside], y[inside], weights[inside]
    weights = weights / screen[faces[face], 2]
    depth = 1.0 / weights.sum(axis=1)
    nearest = _nearest(y * size[0] + x, depth, size[0] * size[1])
    weights = weights[nearest] * depth[nearest, None]
    return Surface((y * size[0] + x)[nearest], face[nearest], weights, depth[nearest])


def _candidates(screen: Array, faces: Ints, size: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
    """Every (triangle, x, y) with the pixel inside the triangle's bounding box and the picture."""
    corners = screen[faces][:, :, :2]  # [F, 3, 2]
    limit = np.array(size) - 1
    low = np.maximum(np.ceil(corners.min(axis=1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(axis=1)), limit).astype(np.int64)
    span = np.maximum(high - low + 1, 0)  # [F, 2]
    count = span[:, 0] * span[:, 1]
    face = np.repeat(np.arange(len(faces)), count)
    rank = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    return face, low[face, 0] + rank % span[face, 0], low[face, 1] + rank // span[face, 0]


def _barycentric(corners: Array, x: Ints, y: Ints) -> Array:
    """[C, 3] weights of (x, y) in the triangles [C, 3, 3]; negative outside, and for triangles without area."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    flat = np.abs(area) < 1e-12
    area = np.where(flat, 1.0, area)
    wa = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) / area
    wb = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) / area
    weights = np.stack([wa, wb, 1.0 - wa - wb], axis=1)
    weights[flat] = -1.0
    return weights


def _nearest(pixels: Ints, depth: Array, count: int) -> Ints:
    """Indices of the fragments that win their pixel, one a pixel."""
    buffer = np.full(count, np.inf)
    np.minimum.at(buffer, pixels, depth)
    winners = np.flatnonzero(depth == buffer[pixels])
    _, first = np.unique(pixels[winners], return_index=True)
    return winners[first]


def vertex_normals(vertices: Array, faces: Ints) -> Array:
    """[V, 3] unit normals, the area-weighted mean over the triangles that meet at each vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)  # [F, 3], its length is twice the area
    total = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, k], normal[:, axis], minlength=len(vertices))
    normals: Array = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return normals
