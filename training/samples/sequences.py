"""Augmented clips of T frames whose crop moves as the tracker's does.

One rotation, mirror image, scale and look a clip; the crop's middle and size follow the person's box of the
frame before, with noise, so that the recurrence learns maps that have been moved from crop to crop.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from model.coords import region_to_transform, resampling_theta
from model.values import FrameTransform
from training.config import AugmentConfig, SequenceConfig
from training.datasets.person import Clip
from training.samples.augment import (
    PhotometricJitter,
    Sample,
    line_kernel,
    occlude_joints,
    random_transform,
    render,
    without_person,
)
from training.samples.pool import Pool, draw

SequenceTensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class Sequences(Dataset[SequenceTensors]):
    """Augmented sequences.

    Sample i is a function of the seed and of i alone. It is: images uint8 [T, 3, S, S], joints in cells float32
    [T, K, 2], labelled bool [T, K], thetas float32 [T, 2, 3]: thetas[t] samples the maps of frame t-1 into the crop
    of frame t, in grid_sample's coordinates (thetas[0] is the identity); and present bool [T].
    """

    def __init__(
        self,
        stills: list[Pool],
        clips: list[Pool],
        size: int,
        config: SequenceConfig,
        augment: AugmentConfig,
        seed: int,
    ) -> None:
        self.stills, self.clips, self.size = stills, clips, size
        self.config, self.augment, self.seed = config, augment, seed

    def __getitem__(self, index: int) -> SequenceTensors:
        rng = np.random.default_rng([self.seed, index])
        still = bool(self.stills) and rng.random() < self.config.still_share
        clip = draw(self.stills if still else self.clips, rng)
        return augment_sequence(clip, self.size, self.config, self.augment, rng)


def augment_sequence(
    clip: Clip, size: int, config: SequenceConfig, augment: AugmentConfig, rng: np.random.Generator
) -> SequenceTensors:
    """One sequence from a clip; a clip that is too short stands still at its end."""
    step = 2 if rng.random() < config.skip_share else 1
    start = int(rng.integers(max(1, len(clip) - step * (config.frames - 1))))
    times = [min(start + step * i, len(clip) - 1) for i in range(config.frames)]
    transforms = moving_crops(clip, times, size, config, augment, rng)
    samples = [render(clip, t, transform) for t, transform in zip(times, transforms, strict=True)]
    if rng.random() < augment.absent:
        samples = _leaving(samples, clip, times, rng)
    samples = [_blurred(s, rng) if rng.random() < config.motion_blur else s for s in samples]
    if rng.random() < augment.photometric:
        look = PhotometricJitter(rng)
        samples = [replace(s, image=look(s.image)) for s in samples]
    samples = _occlude(samples, augment.occlude, rng)
    pairs = zip([transforms[0], *transforms], transforms, strict=False)
    return (
        torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in samples])),
        torch.from_numpy(np.stack([s.cells for s in samples])),
        torch.from_numpy(np.stack([s.labelled for s in samples])),
        torch.from_numpy(np.stack([resampling_theta(old, new) for old, new in pairs]).astype(np.float32)),
        torch.from_numpy(np.array([s.present for s in samples])),
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
        side = led.side * scale * math.exp(rng.normal(0, config.scale_jitter))
        x, y = led.center_x + drift[0], led.center_y + drift[1]
        crops.append(replace(first, center_x=float(x), center_y=float(y), side=side))
    return crops


def _leaving(samples: list[Sample], clip: Clip, times: list[int], rng: np.random.Generator) -> list[Sample]:
    """The same sequence without the person from a random frame on; the crop stays where the person was."""
    first = int(rng.integers(len(samples)))
    size = samples[0].image.shape[0]
    empty = without_person(clip, times[first], size, rng)
    return [*samples[:first], *([empty] * (len(samples) - first))]


def _blurred(sample: Sample, rng: np.random.Generator) -> Sample:
    """Smeared along a random line of up to 5 % of the picture's side."""
    length = int(rng.integers(3, max(4, sample.image.shape[0] // 20))) | 1
    kernel = line_kernel(length, float(rng.uniform(0, 180)))
    return replace(sample, image=cv2.filter2D(sample.image, -1, kernel))


def _occlude(samples: list[Sample], share: float, rng: np.random.Generator) -> list[Sample]:
    """Hide joints in one frame, or anew in each of frames 2..T (the paper's two kinds of occlusion)."""
    draw = rng.random()
    if draw >= share:
        return samples
    in_one = {int(rng.integers(len(samples)))}
    hidden = in_one if draw < share / 2 else set(range(1, len(samples)))
    return [
        occlude_joints(s, rng) if t in hidden and s.present and s.labelled.any() else s for t, s in enumerate(samples)
    ]
