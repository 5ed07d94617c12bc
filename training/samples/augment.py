"""Augmentation: geometry, the look of the picture, and patches that hide joints.

Geometry is a FrameTransform, the type serving uses, so that training and serving agree about pixels.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from model.coords import crop_input, frame_to_heatmap, heatmap_to_input, pixels_within, region_to_transform
from model.values import STRIDE, Array, Frame, FrameTransform
from training.config import AugmentConfig
from training.datasets.person import Clip
from training.samples.absent import background

NOWHERE = -1e4
"""Where the joints of nobody lie, heatmap cells: no blob reaches into the map from there."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One augmented frame.

    Attributes:
        image: uint8 [S, S, 3].
        cells: joints in heatmap cells, float32 [K, 2].
        labelled: bool [K].
        present: whether anybody is in the picture; where nobody is, all joints are "labelled" to lie far outside.
    """

    image: Array
    cells: Array
    labelled: Array
    present: bool = True


def random_transform(clip: Clip, t: int, size: int, config: AugmentConfig, rng: np.random.Generator) -> FrameTransform:
    """A crop round the person of frame t, jittered."""
    exact = region_to_transform(clip.region(t), size)
    low, high = config.far_scale if rng.random() < config.far_share else config.scale
    scale = math.exp(rng.uniform(math.log(low), math.log(high)))
    side = exact.side * scale
    dx, dy = rng.normal(0, config.shift * side, 2)
    turned = rng.random() < config.turned
    return replace(
        exact,
        center_x=exact.center_x + dx,
        center_y=exact.center_y + dy,
        side=side,
        rotation=math.radians(rng.uniform(-config.rotation, config.rotation)) if turned else 0.0,
        flip=bool(rng.random() < config.flip),
    )


def render(clip: Clip, t: int, transform: FrameTransform) -> Sample:
    """Frame t as the network sees it through the transform."""
    cells = frame_to_heatmap(clip.joints[t], transform).astype(np.float32)
    labelled = clip.labelled[t]
    if transform.flip:
        mirror = list(clip.skeleton.mirrored())
        cells, labelled = cells[mirror], labelled[mirror]
    return Sample(crop_input(Frame(clip.frames[t]), transform), cells, labelled)


class PhotometricJitter:
    """A change of colour, sharpness and noise, drawn once and applied alike to every frame of a clip."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.table = _colour_table(rng)
        self.grey = rng.random() < 0.08
        self.blur = rng.uniform(0.4, 1.6) if rng.random() < 0.2 else 0.0
        self.shrink = rng.uniform(0.35, 0.8) if rng.random() < 0.2 else 1.0
        self.noise = rng.uniform(2, 10) if rng.random() < 0.2 else 0.0
        self.rng = rng

    def __call__(self, image: Array) -> Array:
        """The changed picture, uint8 [S, S, 3]."""
        if self.shrink < 1.0:
            small = cv2.resize(image, None, fx=self.shrink, fy=self.shrink, interpolation=cv2.INTER_AREA)
            image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        image = cv2.LUT(image, self.table)
        if self.grey:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.noise:
            grain = self.rng.normal(0, self.noise, image.shape).astype(np.float32)
            image = np.clip(image + grain, 0, 255).astype(np.uint8)
        return image


def _colour_table(rng: np.random.Generator) -> Array:
    """Brightness, contrast and gamma a channel as a lookup table uint8 [1, 256, 3]."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255.0
    common = rng.uniform(0.7, 1.4)
    gamma = common * rng.uniform(0.9, 1.1, 3)
    gain, bias = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3), rng.uniform(-0.12, 0.12)
    table = (levels**gamma - 0.5) * gain + 0.5 + bias
    return np.clip(table * 255, 0, 255).astype(np.uint8)[None]


def line_kernel(length: int, degrees: float) -> Array:
    """A kernel float32 [length, length] that smears along a line; length is odd, its numbers sum to 1."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0
    middle = (length - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), degrees, 1.0)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(turned / turned.sum(), np.float32)


def occlude_joints(sample: Sample, rng: np.random.Generator) -> Sample:
    """One to three patches of noise or flat colour over random labelled joints; their labels stay."""
    image = sample.image.copy()
    joints = np.flatnonzero(sample.labelled)
    side = image.shape[0]
    for joint in rng.permutation(joints)[: rng.integers(1, 4)]:
        x, y = heatmap_to_input(sample.cells[joint], STRIDE) + rng.normal(0, side * 0.02, 2)
        half_w, half_h = rng.uniform(0.03, 0.11, 2) * side
        patch = image[pixels_within(y - half_h, y + half_h, side), pixels_within(x - half_w, x + half_w, side)]
        if rng.random() < 0.5:
            patch[:] = rng.integers(0, 256, 3)
        else:
            patch[:] = rng.integers(0, 256, patch.shape)
    return replace(sample, image=image)


def without_person(clip: Clip, t: int, size: int, rng: np.random.Generator) -> Sample:
    """A sample in which nobody is: its heatmap targets are empty."""
    joints = len(clip.skeleton)
    cells = np.full((joints, 2), NOWHERE, np.float32)
    return Sample(background(clip, t, size, rng), cells, np.ones(joints, bool), present=False)


def augment_frame(clip: Clip, t: int, size: int, config: AugmentConfig, rng: np.random.Generator) -> Sample:
    """A single augmented frame."""
    if rng.random() < config.absent:
        sample = without_person(clip, t, size, rng)
    else:
        sample = render(clip, t, random_transform(clip, t, size, config, rng))
    if rng.random() < config.photometric:
        sample = replace(sample, image=PhotometricJitter(rng)(sample.image))
    if sample.present and rng.random() < config.occlude and sample.labelled.any():
        sample = occlude_joints(sample, rng)
    return sample
