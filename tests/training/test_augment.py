"""Augmentation keeps pictures and labels together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from model.coords import heatmap_to_input, region_to_transform
from model.values import Array
from tests.training import made_up
from training.config import AugmentConfig, SequenceConfig
from training.datasets.person import SKELETON, Clip
from training.samples.augment import (
    PhotometricJitter,
    Sample,
    augment_frame,
    occlude_joints,
    random_transform,
    render,
)
from training.samples.pictures import Pictures
from training.samples.pool import Pool
from training.samples.sequences import Sequences, augment_sequence, moving_crops


def _dotted() -> Clip:
    """A black frame with a bright square at each of two joints, the left and the right wrist, in different colours."""
    clip = made_up.still()
    picture = np.zeros_like(clip.frames)
    joints = clip.joints.copy()
    for name, place, channel in (("left_wrist", (30, 40), 0), ("right_wrist", (60, 20), 1)):
        joints[0, SKELETON.index(name)] = place
        x, y = place
        picture[0, y - 2 : y + 3, x - 2 : x + 3, channel] = 255
    return Clip("dotted", picture, joints, clip.labelled, clip.boxes)


def _middle(channel: Array) -> Array:
    rows, columns = np.nonzero(channel > 100)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("seed", range(8))
def test_joints_stay_on_their_pixels(seed: int) -> None:
    """Whatever turn, scale or mirror image is drawn, the red dot stays under the joint on the person's left...

    ...or, mirrored, under what has become the right wrist.
    """
    clip = _dotted()
    config = AugmentConfig(far_share=0.0, scale=(0.9, 1.3), shift=0.01)
    transform = random_transform(clip, 0, 128, config, np.random.default_rng(seed))
    sample = render(clip, 0, transform)
    names = ("right_wrist", "left_wrist") if transform.flip else ("left_wrist", "right_wrist")
    for channel, name in enumerate(names):
        joint = heatmap_to_input(sample.cells[SKELETON.index(name)], transform.stride)
        assert np.linalg.norm(_middle(sample.image[:, :, channel]) - joint) < 0.6


def test_hidden_joints_keep_their_labels() -> None:
    """A patch changes the picture at a joint and nothing else about the sample."""
    clip = made_up.still()
    rng = np.random.default_rng(0)
    sample = augment_frame(clip, 0, 64, AugmentConfig(photometric=0, occlude=0, far_share=0), rng)
    hidden = occlude_joints(sample, rng)
    assert (hidden.image != sample.image).any()
    np.testing.assert_array_equal(hidden.cells, sample.cells)
    np.testing.assert_array_equal(hidden.labelled, sample.labelled)


def test_patches_lie_round_their_joints() -> None:
    """Their mean over many draws is the joint, to a fifth of a pixel: no half pixel is lost between cell and pixel."""
    clip = made_up.still()
    labelled = np.zeros((1, len(SKELETON)), bool)
    labelled[0, 3] = True
    sample = render(replace(clip, labelled=labelled), 0, region_to_transform(clip.region(0), 128))
    grey = replace(sample, image=np.full_like(sample.image, 7), cells=np.full_like(sample.cells, 15.5))
    middles = [_middle_of_change(grey, np.random.default_rng(seed)) for seed in range(1500)]
    assert np.abs(np.mean(middles, axis=0) - heatmap_to_input(np.array([15.5, 15.5]), 4)).max() < 0.2


def _middle_of_change(sample: Sample, rng: np.random.Generator) -> Array:
    rows, columns = np.nonzero((occlude_joints(sample, rng).image != sample.image).any(axis=2))
    return np.array([(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2])


def test_a_look_is_the_same_for_all_frames_of_a_clip() -> None:
    """Colours, blur and sharpness are drawn once; only grain differs from frame to frame."""
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    look = PhotometricJitter(np.random.default_rng(5))
    look.noise = 0.0
    np.testing.assert_array_equal(look(picture), look(picture))


def test_augmentation_repeats_with_its_seed() -> None:
    """The same seed draws the same sample."""
    clip = made_up.still()
    first, second = (augment_frame(clip, 0, 64, AugmentConfig(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_a_sequence_has_frames_labels_and_crop_moves() -> None:
    """Shapes of what the clip stage reads; the first crop has no past, so its move is the identity."""
    config, rng = SequenceConfig(frames=5), np.random.default_rng(0)
    images, cells, labelled, thetas, present = augment_sequence(made_up.moving(9), 64, config, AugmentConfig(), rng)
    assert (tuple(images.shape), tuple(cells.shape)) == ((5, 3, 64, 64), (5, 13, 2))
    assert (tuple(labelled.shape), tuple(thetas.shape)) == ((5, 13), (5, 2, 3))
    assert present.tolist() == [True] * 5
    np.testing.assert_allclose(thetas[0].numpy(), [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_crops_of_a_sequence_share_turn_and_mirror() -> None:
    """One geometric transform a clip; only middle and size follow the person."""
    flipped, rng = AugmentConfig(flip=1.0), np.random.default_rng(2)
    crops = moving_crops(made_up.moving(9), [0, 1, 2, 3, 4], 64, SequenceConfig(), flipped, rng)
    assert {crop.flip for crop in crops} == {True}
    assert len({crop.rotation for crop in crops}) == 1
    assert len({crop.center_x for crop in crops}) == 5


def test_a_clip_shorter_than_the_sequence_stands_still_at_its_end() -> None:
    """Three frames give a sequence of five."""
    rng = np.random.default_rng(0)
    images, *_ = augment_sequence(made_up.moving(3), 64, SequenceConfig(frames=5), AugmentConfig(), rng)
    assert len(images) == 5


def test_a_sample_depends_on_its_number_alone() -> None:
    """Sample 7 is the same whether 6 was drawn before it or not: that is what a resumed run stands on."""
    pools, augment = [Pool([made_up.moving(9)])], AugmentConfig()
    sequences = Sequences([], pools, 64, SequenceConfig(frames=3), augment, seed=1)
    pictures = Pictures(pools, 64, augment, seed=1)
    for samples in (sequences, pictures):
        alone = samples[7]
        assert not torch.equal(samples[6][0], alone[0])
        for one, other in zip(samples[7], alone, strict=True):
            assert torch.equal(one, other)


def test_configs_are_immutable() -> None:
    """A config that a run was started with cannot change under it."""
    with pytest.raises(ValidationError, match="frozen"):
        AugmentConfig().flip = 0.0  # type: ignore[misc]
