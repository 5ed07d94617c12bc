"""The only home of coordinate maps: frame <-> input <-> heatmap <-> grid. Pure functions, named a_to_b.

Spaces (pixel centres are integers in each):
    frame    pixels of the upright source picture
    input    pixels of the network's square input, side S
    heatmap  cells, side S / stride; cell i covers input pixels [stride*i - 0.5, stride*(i+1) - 0.5]
    grid     shares of a heatmap from -1 to 1, its outer edges: torch's grid_sample without aligned corners
"""

import math

import cv2
import numpy as np

from model.values import Array, Frame, FrameTransform, Region

PERSON_MARGIN = 1.25
"""Side of the crop over the longer side of the person's box (SimpleBaseline and MMPose use the same)."""


def region_to_transform(
    region: Region, input_size: int, margin: float = PERSON_MARGIN, turn: float = 0.0
) -> FrameTransform:
    """The square crop round a person's box, aspect kept; turned by so many radians."""
    cx, cy = region.center
    return FrameTransform(cx, cy, max(region.w, region.h) * margin, input_size, rotation=turn)


def letterbox_transform(width: int, height: int, input_size: int) -> FrameTransform:
    """The smallest square that holds the whole frame."""
    return FrameTransform((width - 1) / 2, (height - 1) / 2, float(max(width, height)), input_size)


def frame_to_input_matrix(t: FrameTransform) -> Array:
    """Affine map frame -> input, float64 [2, 3]: turn about the centre, scale, mirror, move to the middle."""
    scale, middle = t.input_size / t.side, (t.input_size - 1) / 2
    if not t.rotation and not t.flip:  # To the same bits, and most crops are so.
        return np.array([[scale, 0.0, middle - scale * t.center_x], [0.0, scale, middle - scale * t.center_y]])
    cos, sin = math.cos(t.rotation) * scale, math.sin(t.rotation) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    if t.flip:
        linear[0] *= -1.0
    offset = np.array([middle, middle]) - linear @ np.array([t.center_x, t.center_y])
    return np.concatenate([linear, offset[:, None]], axis=1)


def frame_to_input(xy: Array, t: FrameTransform) -> Array:
    """Points [..., 2] from frame pixels to input pixels, float64."""
    return _apply(frame_to_input_matrix(t), xy)


def input_to_frame(xy: Array, t: FrameTransform) -> Array:
    """Points [..., 2] from input pixels to frame pixels, float64."""
    matrix = frame_to_input_matrix(t)
    if not t.rotation and not t.flip:
        return (np.asarray(xy, np.float64) - matrix[:, 2]) * float(1.0 / matrix[0, 0])
    inverse = np.linalg.inv(matrix[:, :2])
    return (np.asarray(xy, np.float64) - matrix[:, 2]) @ inverse.T


def input_to_heatmap(xy: Array, stride: int) -> Array:
    """Points from input pixels to heatmap cells, float64."""
    return (np.asarray(xy, np.float64) + 0.5) / stride - 0.5


def heatmap_to_input(xy: Array, stride: int) -> Array:
    """Points from heatmap cells to input pixels, float64."""
    return (np.asarray(xy, np.float64) + 0.5) * stride - 0.5


def frame_to_heatmap(xy: Array, t: FrameTransform) -> Array:
    """Points [..., 2] from frame pixels to heatmap cells, float64."""
    return input_to_heatmap(frame_to_input(xy, t), t.stride)


def heatmap_to_frame(xy: Array, t: FrameTransform) -> Array:
    """Points [..., 2] from heatmap cells to frame pixels, float64."""
    return input_to_frame(heatmap_to_input(xy, t.stride), t)


def heatmap_to_grid(xy: Array, size: int) -> Array:
    """Points from cells of a heatmap with `size` cells a side to grid coordinates, float64."""
    return (2 * np.asarray(xy, np.float64) + 1) / size - 1


def grid_to_heatmap(xy: Array, size: int) -> Array:
    """Points from grid coordinates to cells of a heatmap with `size` cells a side, float64."""
    return ((np.asarray(xy, np.float64) + 1) * size - 1) / 2


def rescale_points(xy: Array, old: tuple[int, int], new: tuple[int, int]) -> Array:
    """Points [..., 2] of a picture of size `old` (width, height), in the pixels of the same picture scaled to `new`."""
    factor = np.array(new, xy.dtype) / np.array(old, xy.dtype)
    return np.asarray((xy + 0.5) * factor - 0.5)


def rescale_region(region: Region, old: tuple[int, int], new: tuple[int, int]) -> Region:
    """The box of a picture of size `old` (width, height), in the pixels of the same picture scaled to `new`."""
    corner = rescale_points(np.array([region.x, region.y]), old, new)
    return Region(float(corner[0]), float(corner[1]), region.w * new[0] / old[0], region.h * new[1] / old[1])


def pixels_within(low: float, high: float, size: int) -> slice:
    """Those of an axis' `size` pixels whose centres lie in [low, high]; an empty slice where none does."""
    first = min(max(math.ceil(low), 0), size)
    return slice(first, max(first, min(math.floor(high) + 1, size)))


_MOST_CONVERTED = 3 * 1024 * 1024
"""Numbers of a picture up to which a fourth channel costs less than it spares."""


def crop_input(frame: Frame, t: FrameTransform) -> Array:
    """The network's input uint8 [S, S, 3] cut from a frame; outside the frame is black.

    Pixels are averaged where the crop shrinks by more than two, so that fine texture does not alias.
    """
    matrix = frame_to_input_matrix(t)
    times = _halvings(t.side / t.input_size, min(frame.size))
    picture = halved(frame, times)
    # Small pixel i has its centre at 2**times * (i + 0.5) - 0.5 of the frame.
    middle = 2**times / 2 - 0.5
    matrix[:, 2] += matrix[:, :2] @ np.array([middle, middle])
    matrix[:, :2] *= 2**times
    size = (t.input_size, t.input_size)
    if picture.size > _MOST_CONVERTED:
        return cv2.warpAffine(picture, matrix, size)
    # Of four channels OpenCV warps a picture in half the time, to the same pixels.
    warped = cv2.warpAffine(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), matrix, size)
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)


def halved(frame: Frame, times: int) -> Array:
    """The picture `times` halved, at least a pixel high and wide: small pixel i is the mean of 2**times large ones.

    Each half is made of the one before, and once a frame: a search looks at a picture through many windows. What does
    not fill a small pixel at the right and at the bottom is left out.
    """
    while len(frame.halves) < times:
        before = frame.halves[-1] if frame.halves else frame.rgb
        height, width = (side // 2 for side in before.shape[:2])
        whole = before[: 2 * height, : 2 * width]
        frame.halves.append(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))
    return frame.halves[times - 1] if times else frame.rgb


def _halvings(shrink: float, short_side: int) -> int:
    """How often a frame is halved before it is cut, so that what is left to shrink is less than two."""
    if shrink <= 2.0:
        return 0
    return min(math.floor(math.log2(shrink)), short_side.bit_length() - 1)


def resample_maps(maps: Array, old: FrameTransform, new: FrameTransform) -> Array:
    """Maps [K, h, w] that lie in the old crop, read at the cells of the new; 0 where the old did not look.

    A tracked person's crop moves from frame to frame, and the previous q and m have to move with it.
    """
    if old == new:
        return maps
    if not maps.size:
        return np.zeros((len(maps), new.heatmap_size, new.heatmap_size), np.float32)
    scale = new.side / old.side * old.heatmap_size / new.heatmap_size
    middle_new = (new.heatmap_size - 1) / 2
    origin = frame_to_heatmap(np.array([new.center_x, new.center_y]), old)
    # new cell -> old cell, the direction in which warpAffine samples
    matrix = np.array([[scale, 0, origin[0] - scale * middle_new], [0, scale, origin[1] - scale * middle_new]])
    size = (new.heatmap_size, new.heatmap_size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = np.ascontiguousarray(maps, np.float32)
    moved = np.empty((len(planes), *size), np.float32)
    # As channels of one picture; where there are more than four, OpenCV rounds places to 1/32 of a cell.
    for first in range(0, len(planes), 4):
        part = slice(first, first + 4)
        cv2.split(cv2.warpAffine(cv2.merge(list(planes[part])), matrix, size, flags=flags), list(moved[part]))
    return moved


def resampling_theta(old: FrameTransform, new: FrameTransform) -> Array:
    """What `resample_maps` does as torch's affine_grid takes it: float64 [2, 3], from the new crop's grid to the old's.

    Both crops may be turned and mirrored.
    """
    corners = grid_to_heatmap(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), new.heatmap_size)
    moved = frame_to_heatmap(heatmap_to_frame(corners, new), old)
    origin, right, down = heatmap_to_grid(moved, old.heatmap_size)
    return np.stack([right - origin, down - origin, origin], axis=1)


def _apply(matrix: Array, xy: Array) -> Array:
    return np.asarray(xy, np.float64) @ matrix[:, :2].T + matrix[:, 2]
