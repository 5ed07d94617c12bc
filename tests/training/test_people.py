"""Composed scenes of several people, pictures of nobody, and what is counted in them."""

from dataclasses import replace

import numpy as np
import pytest

from model.engines.base import ModelInput, ModelOutput
from model.tracker import Tracker
from tests.support.dots import DotEngine, person, picture
from tests.training import made_up
from training.commands.people import false_table, found_table, identities_table, taken_table
from training.datasets.person import Clip
from training.evaluation.identities import Identities
from training.people.cut_out import cut_out, placed
from training.people.measure import Shares, false_people, followed, found, taken
from training.people.nobody import MAKERS, beside_people, nobodies
from training.people.scenes import Scene, crossing, scenes, side_by_side

SIZE = (320, 240)


def _walk(name: str = "walk", x: float = 60, frames: int = 6, grey: int = 0) -> Clip:
    """A person of dots who walks 4 px a frame; the room is grey."""
    joints = np.stack([person(x + 4 * t, 50, 110) for t in range(frames)])
    pictures = np.maximum(np.stack([picture(row).rgb for row in joints]), grey).astype(np.uint8)
    boxes = np.array([[x + 5 + 4 * t, 48, 90, 114] for t in range(frames)], np.float32)
    return Clip(name, pictures, joints.astype(np.float32), np.ones(joints.shape[:2], bool), boxes)


def test_a_person_is_cut_out_along_their_bones() -> None:
    """With all joints, and without the picture's corners."""
    one = cut_out(_walk(), 0)
    x, y = np.round(one.joints).astype(int).T
    assert one.mask[y, x].all()
    assert 0.02 < one.mask.mean() < 0.3
    assert not one.mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, (7.0, -3.0)), (2.0, (-40.0, 11.0)), (0.5, (30.0, 30.0))])
def test_joints_go_where_the_pixels_go(scale: float, shift: tuple[float, float]) -> None:
    """A person who is scaled and moved has their joints at the middle of what was drawn there."""
    one = cut_out(_walk(), 0)
    dot = replace(one, rgb=np.zeros_like(one.rgb), mask=np.zeros_like(one.mask), joints=np.array([[100.0, 80.0]]))
    dot.rgb[78:83, 98:103] = 255
    dot.mask[78:83, 98:103] = True
    moved = placed(dot, scale, shift, SIZE)
    for lit in (moved.rgb[..., 0] > 127, moved.mask):
        np.testing.assert_allclose(np.argwhere(lit).mean(axis=0)[::-1], moved.joints[0], atol=0.5)
    assert moved.area == pytest.approx(one.area * scale**2)


def test_clips_stand_side_by_side() -> None:
    """In a square of four, each in its own quarter, for as long as the shortest lasts."""
    clips = [_walk(x=x, frames=frames) for x, frames in ((20, 6), (60, 3), (90, 4), (140, 5))]
    moments = list(side_by_side(clips))
    frame, people = moments[2]
    height, width = clips[0].frames[0].shape[:2]
    assert (len(moments), frame.size) == (3, (2 * width, 2 * height))
    for n, (one, clip) in enumerate(zip(people, clips, strict=True)):
        corner = np.array([width * (n % 2), height * (n // 2)])
        assert (one.identity, one.visible) == (n, True)
        np.testing.assert_allclose(one.joints, clip.joints[2] + corner)
        quarter = frame.rgb[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
        np.testing.assert_array_equal(quarter, clip.frames[2])


@pytest.mark.parametrize("in_front", [True, False])
def test_whoever_is_in_front_hides_the_other(in_front: bool) -> None:
    """The walker comes in at the left edge and leaves at the right one; in the middle one of the two is hidden."""
    stays = _walk(x=105, frames=20, grey=50)
    still = replace(stays, joints=np.repeat(stays.joints[:1], 20, axis=0), boxes=np.repeat(stays.boxes[:1], 20, axis=0))
    still = replace(still, frames=np.stack([stays.frames[0]] * 20))
    moments = list(crossing(still, still, in_front=in_front))
    assert len(moments) == 39
    walker = np.array([people[1].joints[:, 0].mean() for _, people in moments])
    assert (np.diff(walker) > 0).all()
    hidden = [tuple(one.visible for one in people) for _, people in moments]
    middle = int(np.abs(walker - moments[0][1][0].joints[:, 0].mean()).argmin())
    assert hidden[middle] == ((False, True) if in_front else (True, False))
    assert (True, True) in hidden


def test_every_clip_is_in_every_kind_of_scene() -> None:
    """Two together, four together, and crossings of each."""
    clips = [_walk(f"clip{n}") for n in range(9)]
    made = list(scenes(clips))
    for kind in ("beside", "in front", "behind"):
        text = " ".join(scene.name for scene in made if scene.kind == kind)
        assert all(clip.name in text for clip in clips), kind
    assert sum(scene.kind == "four" for scene in made) == 3
    with pytest.raises(ValueError, match="four clips or more, got 3"):
        list(scenes(clips[:3]))


def test_pictures_of_nobody_are_many_and_the_same_each_time() -> None:
    """Two hundred of all kinds, landscape and portrait."""
    made = list(nobodies())
    assert len(made) >= 200
    assert {kind for kind, _ in made} == set(MAKERS)
    assert {one.shape for _, one in made} == {(240, 320, 3), (360, 640, 3), (640, 360, 3), (480, 480, 3)}
    assert all(one.dtype == np.uint8 for _, one in made)
    for (_, one), (_, again) in zip(made, nobodies(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_what_is_beside_people_has_nothing_of_them() -> None:
    """A clip whose person leaves no room gives nothing."""
    clip = _walk(x=10, frames=1)
    [(_, beside)] = beside_people([clip])
    assert beside.shape[1] >= 80
    assert not beside.any()
    assert not list(beside_people([replace(clip, boxes=np.array([[20, 0, 280, 240]], np.float32))]))


class _Blind(DotEngine):
    """Sees nobody, or in everything somebody."""

    def __init__(self, presence: float) -> None:
        super().__init__()
        self.presence = presence

    def _read(self, item: ModelInput) -> ModelOutput:
        return replace(super()._read(item), presence=self.presence)


def test_false_people_are_counted_in_every_frame() -> None:
    """Each picture is shown for four."""
    pictures = [("dots", picture(person(100, 60, 110)).rgb)] * 2
    assert false_people(Tracker(_Blind(0.0), "digest"), pictures, 1) == {"dots": Shares(8, 0)}
    assert false_people(Tracker(_Blind(1.0), "digest"), pictures, 1) == {"dots": Shares(8, 8)}


def test_a_person_who_is_read_where_they_are_is_found() -> None:
    """Elsewhere they are not."""
    clip = _walk()
    assert found(Tracker(DotEngine(), "digest"), [clip], 1) == Shares(6, 6)
    elsewhere = replace(clip, boxes=clip.boxes + np.array([150, 0, 0, 0], np.float32))
    assert found(Tracker(DotEngine(), "digest"), [elsewhere], 1) == Shares(6, 0)


def test_whom_a_search_takes_is_compared_with_the_labels() -> None:
    """On three frames of each clip, each read as a first one; where nobody is taken no joint is right."""
    clip = _walk()
    right = taken(Tracker(DotEngine(), "digest"), [clip])
    assert (right.right, right.nobody) == (Shares(3, 3), 0)
    assert right.pck > 0.99
    empty = replace(clip, frames=np.zeros_like(np.stack([*clip.frames])))
    nobody = taken(Tracker(DotEngine(), "digest"), [empty])
    assert (nobody.right, nobody.pck, nobody.nobody) == (Shares(3, 0), 0.0, 3)
    assert "| made up | 3 | 0.0 | 0.0 | 3 |" in taken_table({"made up": nobody})


def test_followed_people_are_added_up_by_kind() -> None:
    """One person who is followed without a fault."""
    clip = _walk()
    scene = Scene("alone", "walk", lambda: iter([(frame, people[:1]) for frame, people in side_by_side([clip, clip])]))
    figures = followed(Tracker(DotEngine(), "digest"), [scene, scene], 1)
    assert figures["alone"].true == 12
    assert figures["alone"].switches == 0


def test_tables_have_a_row_for_all() -> None:
    """Counts are added, shares are of the sums."""
    text = identities_table({"one": Identities(10, 1, 0, 2, 9), "two": Identities(10, 0, 1, 0, 10)})
    assert "| all | 20 | 5.0 | 1 | 2 | 95.0 |" in text
    text = false_table({1: {"noise": Shares(8, 2), "room": Shares(8, 0)}, 6: {"noise": Shares(8, 0), "room": Shares()}})
    assert "| all | 4 | 12.50 (2) | 0.00 (0) |" in text
    assert "| 6 | 4 | 75.00 |" in found_table({6: Shares(4, 3)})


def test_a_made_up_clip_may_be_cut_out() -> None:
    """Joints at the picture's edge are no trouble."""
    clip = made_up.moving(3)
    assert cut_out(clip, 2).mask.shape == clip.frames[0].shape[:2]
