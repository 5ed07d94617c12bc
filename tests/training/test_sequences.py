"""Sequences: dropped frames, motion blur, people who leave, and what is hidden."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from model.values import Array
from tests.training import made_up
from training.config import AugmentConfig, SequenceConfig
from training.datasets.person import Clip
from training.samples.augment import Sample
from training.samples.sequences import _blurred, augment_sequence

PLAIN = AugmentConfig(
    scale=(1.0, 1.0), far_share=0.0, turned=0.0, shift=0.0, flip=0.0, photometric=0.0, occlude=0.0, absent=0.0
)
STILL = SequenceConfig(frames=5, still_share=0.0, drift=0.0, scale_jitter=0.0)


class Asked:
    """Frames that remember which of them were read."""

    def __init__(self, frames: Array) -> None:
        self._frames, self.times = frames, list[int]()

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, t: int, /) -> Array:
        self.times.append(t)
        frame: Array = self._frames[t]
        return frame

    def __iter__(self) -> Iterator[Array]:
        return iter(self._frames)


def times_of(config: SequenceConfig, frames: int, seed: int = 0) -> list[int]:
    """Which frames of a clip a sequence is made of."""
    clip = made_up.moving(frames)
    asked = Asked(np.asarray(clip.frames))
    watched = Clip(clip.name, asked, clip.joints, clip.labelled, clip.boxes)
    augment_sequence(watched, 64, config, PLAIN, np.random.default_rng(seed))
    return asked.times


def test_frames_follow_one_another() -> None:
    """Without dropped frames each comes after the one before it, from anywhere in the clip."""
    drawn = [times_of(STILL, 30, seed) for seed in range(12)]
    assert all(np.diff(times).tolist() == [1] * 4 for times in drawn)
    assert len({times[0] for times in drawn}) > 3


def test_every_second_frame_is_dropped_in_a_share_of_them() -> None:
    """A person twice as fast, or a stream that skips; the sequence still ends inside the clip."""
    drawn = [times_of(STILL.model_copy(update={"skip_share": 1.0}), 12, seed) for seed in range(12)]
    assert all(np.diff(times).tolist() == [2] * 4 for times in drawn)
    assert max(times[-1] for times in drawn) <= 11


def leaving(seed: int) -> tuple[torch.Tensor, ...]:
    """A sequence whose person leaves."""
    config = PLAIN.model_copy(update={"absent": 1.0, "occlude": 1.0})
    return augment_sequence(made_up.moving(9), 64, STILL, config, np.random.default_rng(seed))


def test_a_person_who_leaves_does_not_come_back() -> None:
    """Present up to a random frame, absent from then on; some are never there."""
    firsts = set()
    for seed in range(30):
        present = leaving(seed)[4].tolist()
        assert present == sorted(present, reverse=True)
        assert not present[-1]
        firsts.add(sum(present))
    assert firsts == {0, 1, 2, 3, 4}


def test_who_has_left_leaves_empty_targets() -> None:
    """All joints count and lie nowhere, in a picture without the person that stands still, and is not covered."""
    images, cells, labelled, _, present = leaving(3)
    gone = ~present
    assert bool(gone.any())
    assert bool(labelled[gone].all())
    assert float(cells[gone].max()) < -1000
    assert float(cells[present].min()) > -1000 if bool(present.any()) else True
    assert all(torch.equal(image, images[gone][0]) for image in images[gone])


def test_motion_blur_smears_along_a_line() -> None:
    """A bright dot becomes a bar of the same light, longer one way than the other."""
    image = np.zeros((201, 201, 3), np.uint8)
    image[98:103, 98:103] = 250
    sample = Sample(image, np.zeros((13, 2), np.float32), np.ones(13, bool))
    for seed in range(6):
        blurred = _blurred(sample, np.random.default_rng(seed)).image[..., 0].astype(float)
        assert abs(blurred.sum() / image[..., 0].sum() - 1) < 0.05
        rows, columns = np.nonzero(blurred > 5)
        spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
        assert spread[1] > spread[0]
        assert abs(rows.mean() - 100) < 1
        assert abs(columns.mean() - 100) < 1


def test_motion_blur_moves_no_label() -> None:
    """Pictures of a share of the frames change; joints, marks and crops are those of the sharp sequence."""
    blurred = STILL.model_copy(update={"motion_blur": 1.0})
    one, other = (
        augment_sequence(made_up.moving(9), 64, config, PLAIN, np.random.default_rng(5)) for config in (STILL, blurred)
    )
    assert not torch.equal(one[0], other[0])
    for sharp, smeared in zip(one[1:], other[1:], strict=True):
        assert torch.equal(sharp, smeared)


def test_no_motion_blur_leaves_frames_sharp() -> None:
    """A share of 0 changes no pixel."""
    clip = made_up.moving(9)
    sharp = augment_sequence(clip, 64, STILL, PLAIN, np.random.default_rng(5))
    again = augment_sequence(replace(clip), 64, STILL, PLAIN, np.random.default_rng(5))
    assert torch.equal(sharp[0], again[0])
