"""Augmented clips of T frames whose crop moves as the tracker's does.

One rotation, mirror image, scale and look a clip; the crop's middle and size follow the person's box of the
frame before, with noise, so that the recurrence learns maps that have been moved from crop to crop.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from model.coords import frame_to_heatmap, heatmap_to_frame, region_to_transform
from model.values import Array, FrameTransform
from training.config import AugmentConfig, SequenceConfig
from training.datasets.person import Clip
from training.samples.augment import Look, Sample, hide_joints, random_transform, render

Sequence = tuple[Tensor, Tensor, Tensor, Tensor]


class Sequences(Dataset[Sequence]):
    """Augmented sequences.

    Sample i is a function of the seed and of i alone. It is: images uint8 [T, 3, S, S], joints in cells float32
    [T, K, 2], labelled bool [T, K], and thetas float32 [T, 2, 3]: thetas[t] samples the maps of frame t-1 into the crop
    of frame t, in grid_sample's coordinates (thetas[0] is the identity).
    """

    def __init__(
        self,
        stills: list[Clip],
        clips: list[Clip],
        size: int,
        config: SequenceConfig,
        augment: AugmentConfig,
        seed: int,
    ) -> None:
        self.stills, self.clips, self.size = stills, clips, size
        self.config, self.augment, self.seed = config, augment, seed

    def __getitem__(self, index: int) -> Sequence:
        rng = np.random.default_rng([self.seed, index])
        still = bool(self.stills) and rng.random() < self.config.still_share
        pool = self.stills if still else self.clips
        return augment_sequence(pool[rng.integers(len(pool))], self.size, self.config, self.augment, rng)


def augment_sequence(
    clip: Clip, size: int, config: SequenceConfig, augment: AugmentConfig, rng: np.random.Generator
) -> Sequence:
    """One sequence from a clip; a clip that is too short stands still at its end."""
    start = int(rng.integers(max(1, len(clip) - config.frames + 1)))
    times = [min(start + i, len(clip) - 1) for i in range(config.frames)]
    transforms = moving_crops(clip, times, size, config, augment, rng)
    samples = [render(clip, t, transform) for t, transform in zip(times, transforms, strict=True)]
    if rng.random() < augment.look:
        look = Look(rng)
        samples = [replace(s, image=look(s.image)) for s in samples]
    samples = _hide(samples, augment.hide, rng)
    pairs = zip([transforms[0], *transforms], transforms, strict=False)
    return (
        torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in samples])),
        torch.from_numpy(np.stack([s.cells for s in samples])),
        torch.from_numpy(np.stack([s.labelled for s in samples])),
        torch.from_numpy(np.stack([sampling_theta(old, new) for old, new in pairs]).astype(np.float32)),
    )


def moving_crops(
    clip: Clip,
    times: list[int],
    size: int,
    config: SequenceConfig,
    augment: AugmentConfig,
    rng: np.random.Generator,
) -> list[FrameTransform]:
    """The crops of the frames `times`: the first jittered freely, each later one led by the frame before it."""
    first = random_transform(clip, times[0], size, augment, rng)
    exact = region_to_transform(clip.region(times[0]), size)
    scale = first.side / exact.side
    crops, drift = [first], np.array([first.center_x - exact.center_x, first.center_y - exact.center_y])
    for before in times[:-1]:
        led = region_to_transform(clip.region(before), size)
        # The offset dies away, as the tracker finds its person, and new noise comes in.
        drift = 0.5 * drift + rng.normal(0, config.drift * led.side, 2)
        side = led.side * scale * math.exp(rng.normal(0, config.breath))
        x, y = led.center_x + drift[0], led.center_y + drift[1]
        crops.append(replace(first, center_x=float(x), center_y=float(y), side=side))
    return crops


def sampling_theta(old: FrameTransform, new: FrameTransform) -> Array:
    """Affine [2, 3] from the new to the old crop, both in [-1, 1] (grid_sample without aligned corners)."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    size = new.heatmap_size
    cells = ((corners + 1) * size - 1) / 2
    moved = frame_to_heatmap(heatmap_to_frame(cells, new), old)
    origin, right, down = (2 * moved + 1) / size - 1
    return np.stack([right - origin, down - origin, origin], axis=1)


def _hide(samples: list[Sample], share: float, rng: np.random.Generator) -> list[Sample]:
    """Hide joints in one frame, or anew in each of frames 2..T (the paper's two kinds of occlusion)."""
    draw = rng.random()
    if draw >= share:
        return samples
    in_one = {int(rng.integers(len(samples)))}
    hidden = in_one if draw < share / 2 else set(range(1, len(samples)))
    stride = 4
    return [hide_joints(s, stride, rng) if t in hidden and s.labelled.any() else s for t, s in enumerate(samples)]
