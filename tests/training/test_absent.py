"""Samples with nobody in them: no pixel of the person, empty targets, and a picture all the same."""

import numpy as np
import pytest
import torch

from model.values import Array
from tests.training import made_up
from training.config import AugmentConfig
from training.datasets.person import Clip
from training.losses.heatmap import gaussian_targets
from training.samples import absent
from training.samples.augment import augment_frame, without_person

WIDTH, HEIGHT = 160, 120


def painted(box: tuple[int, int, int, int]) -> Clip:
    """Grey noise with a person whose box, x, y, w, h, is red: pixels x to x + w - 1."""
    x, y, w, h = box
    picture = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, axis=2)
    picture[y : y + h, x : x + w] = (255, 0, 0)
    still = made_up.still()
    boxes = np.array([[x - 0.5, y - 0.5, w, h]], np.float32)
    return Clip("painted", picture[None], still.joints, still.labelled, boxes)


def red(image: Array) -> float:
    """Share of the picture that is red."""
    return float(((image[..., 0] > 180) & (image[..., 1] < 60)).mean())


@pytest.mark.parametrize("seed", range(40))
def test_background_hardly_shows_the_person(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the person or, where there is no room, with the person's box filled in from its border."""
    monkeypatch.setattr(absent, "_MADE_UP", 0.0)  # noise has every colour
    rng = np.random.default_rng(seed)
    for box in ((10, 20, 40, 80), (60, 30, 60, 60), (0, 0, WIDTH, HEIGHT)):
        image = absent.background(painted(box), 0, 64, rng)
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        if box[2] < WIDTH:  # a person who fills the frame leaves no border to fill in from
            assert red(image) < 0.04


def test_windows_lie_inside_the_frame() -> None:
    """From the first pixel's outer edge, half a pixel before its middle, to the last one's."""
    rng = np.random.default_rng(1)
    clip = painted((0, 0, 10, 10))
    windows = [absent._beside(WIDTH, HEIGHT, clip.region(0), 64, rng) for _ in range(300)]
    found = [window for window in windows if window is not None]
    assert len(found) == 300
    left = np.array([window.center_x - window.side / 2 for window in found])
    bottom = np.array([window.center_y + window.side / 2 for window in found])
    assert left.min() >= -0.5
    assert left.min() < 1.0
    assert HEIGHT - 3 < bottom.max() <= HEIGHT - 0.5


def test_a_wiped_box_fades_from_border_to_border() -> None:
    """Left of a box that ends on white and begins on black it is dark, right of it bright; the rest stays."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 30:] = 200
    picture[5:15, 10:30] = (255, 0, 0)
    clip = made_up.still()
    box = np.array([[10.5, 5.5, 17.0, 8.0]], np.float32)  # grown by 1.15: 9.2..28.8 and 4.9..14.1
    person = Clip("box", picture[None], clip.joints, clip.labelled, box).region(0)
    wiped = absent._wiped(picture, person)
    rows = wiped[5:15, 10:29, 0].astype(int)
    assert (np.diff(rows, axis=1) >= 0).all()
    np.testing.assert_array_equal(wiped[:5], picture[:5])
    np.testing.assert_array_equal(wiped[15:], picture[15:])


def test_a_person_outside_the_frame_leaves_it_as_it_is() -> None:
    """A box beyond the border wipes nothing."""
    picture = np.full((20, 40, 3), 77, np.uint8)
    clip = made_up.still()
    box = np.array([[60.0, 5.0, 10.0, 10.0]], np.float32)
    person = Clip("beyond", picture[None], clip.joints, clip.labelled, box).region(0)
    np.testing.assert_array_equal(absent._wiped(picture, person), picture)


def test_made_up_pictures_are_of_every_grain() -> None:
    """From one flat colour to noise in every pixel."""
    rng = np.random.default_rng(0)
    pictures = [absent.made_up(32, rng) for _ in range(60)]
    assert {picture.shape for picture in pictures} == {(32, 32, 3)}
    colours = [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in pictures]
    assert min(colours) == 1
    assert max(colours) > 900


def test_targets_of_nobody_are_empty() -> None:
    """Every joint counts, and no blob reaches into the map."""
    sample = without_person(made_up.still(), 0, 64, np.random.default_rng(0))
    assert not sample.present
    assert sample.labelled.all()
    assert not gaussian_targets(torch.from_numpy(sample.cells), 16, 2.0).any()


@pytest.mark.parametrize(("share", "present"), [(0.0, True), (1.0, False)])
def test_the_share_says_how_many_samples_have_nobody(share: float, present: bool) -> None:
    """None of them, or all."""
    rng = np.random.default_rng(0)
    config = AugmentConfig(absent=share)
    assert {augment_frame(made_up.still(), 0, 64, config, rng).present for _ in range(10)} == {present}
