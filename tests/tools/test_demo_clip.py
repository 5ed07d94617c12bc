"""The demo clip and the pure functions it is rendered with. None of this needs `anny`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tools.demo_clip.camera import Camera, pixel_rays, world_to_pixels
from tools.demo_clip.motion import DURATION, foot_at, stance_at
from tools.demo_clip.raster import rasterise
from tools.demo_clip.skeleton import Rig, bend_leg, pose_rig, rotation, skin

DEMO = Path(__file__).parents[2] / "service" / "demo"
LIMBS = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """The clip's JSON."""
    loaded: dict[str, Any] = json.loads((DEMO / "clip.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def joints(truth: dict[str, Any]) -> np.ndarray:
    """[T, 13, 2] pixels."""
    return np.array([frame["joints"] for frame in truth["frames"]])


def test_clip_and_json_agree_on_frames_and_times(truth: dict[str, Any]) -> None:
    """Each decoded frame has one entry with its own pts, in a picture of the stated size."""
    with av.open(str(DEMO / "clip.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        decoded = list(file.decode(video=0))
    assert [[f.width, f.height] for f in decoded] == [truth["image_size"]] * len(truth["frames"])
    times = [f.pts * f.time_base for f in decoded if f.pts is not None and f.time_base is not None]
    assert [round(t * 1_000_000) for t in times] == [frame["pts_us"] for frame in truth["frames"]]


def test_clip_is_small_enough_to_bundle() -> None:
    """The clip stays under a megabyte."""
    assert (DEMO / "clip.mp4").stat().st_size < 1_000_000


def test_joints_lie_in_the_picture_and_in_the_box(truth: dict[str, Any], joints: np.ndarray) -> None:
    """No joint leaves the picture, and none leaves the visible person's box by more than two pixels."""
    width, height = truth["image_size"]
    assert joints.min() >= 0
    assert (joints <= [width - 1, height - 1]).all()
    box = np.array([frame["box"] for frame in truth["frames"]])[:, None]
    assert (joints >= box[..., :2] - 2).all()
    assert (joints <= box[..., :2] + box[..., 2:] + 2).all()


def test_the_person_is_as_tall_as_promised(truth: dict[str, Any]) -> None:
    """A net that looks at 256 x 256 gets enough pixels of the person in every frame."""
    heights = np.array([frame["box"][3] for frame in truth["frames"]])
    assert heights.min() > 220
    assert heights.max() < 420


def test_limbs_change_length_slowly_and_joints_do_not_jump(truth: dict[str, Any], joints: np.ndarray) -> None:
    """From one frame to the next a limb's image length changes little and no joint leaps."""
    names = truth["joint_names"]
    for side in ("left", "right"):
        for a, b in LIMBS:
            limb = joints[:, names.index(f"{side}_{a}")] - joints[:, names.index(f"{side}_{b}")]
            length = np.linalg.norm(limb, axis=1)
            assert np.abs(np.diff(length)).max() < 12
            assert length.max() < 110
    assert np.linalg.norm(np.diff(joints, axis=0), axis=2).max() < 28


def test_left_is_the_persons_left(truth: dict[str, Any], joints: np.ndarray) -> None:
    """The person faces the camera, so the left shoulder lies to the right in the picture."""
    names = truth["joint_names"]
    shoulders = joints[:, names.index("left_shoulder"), 0] - joints[:, names.index("right_shoulder"), 0]
    assert (shoulders > 10).all()


def test_camera_projects_hand_computed_points() -> None:
    """f = 100, 2 m away: 0.5 m to the right is 25 px; 0.2 m up is 10 px; the middle is (W - 1) / 2."""
    camera = Camera(100.0, (201, 101), (0.0, -2.0, 1.0), 0.0)
    seen = world_to_pixels(camera, np.array([[0.0, 0.0, 1.0], [0.5, 0.0, 1.2]]))
    np.testing.assert_allclose(seen, [[100.0, 50.0, 2.0], [125.0, 40.0, 2.0]])


def test_a_camera_tilted_down_sees_what_is_below_in_its_middle() -> None:
    """Tilted by 45 degrees from 2 m up, the middle of the picture is the floor 2 m ahead."""
    camera = Camera(100.0, (201, 101), (0.0, 0.0, 2.0), np.pi / 4)
    seen = world_to_pixels(camera, np.array([[0.0, 2.0, 0.0]]))
    np.testing.assert_allclose(seen, [[100.0, 50.0, np.sqrt(8.0)]])


def test_rays_go_through_the_pixels_they_are_named_for() -> None:
    """A point on a pixel's ray projects back to that pixel."""
    camera = Camera(90.0, (8, 6), (0.3, -2.0, 1.0), 0.2)
    points = np.array(camera.position) + 3.0 * pixel_rays(camera)[[0, 5, 2], [0, 7, 3]]
    np.testing.assert_allclose(world_to_pixels(camera, points)[:, :2], [[0, 0], [7, 5], [3, 2]], atol=1e-9)


def test_supersampling_keeps_pixel_edges_where_they_are() -> None:
    """x of the coarse picture is 2x + 0.5 of the fine one, since whole numbers are pixel centres."""
    camera = Camera(90.0, (8, 6), (0.0, -2.0, 1.0), 0.1)
    point = np.array([[0.07, 0.0, 0.93]])
    coarse, fine = world_to_pixels(camera, point), world_to_pixels(camera.supersampled(2), point)
    np.testing.assert_allclose(fine[:, :2], 2.0 * coarse[:, :2] + 0.5)


def test_the_nearer_triangle_wins_its_pixels() -> None:
    """Where two triangles overlap, the one with less depth is seen."""
    near = [[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]
    far = [[0.0, 0.0, 3.0], [4.0, 0.0, 3.0], [0.0, 4.0, 3.0]]
    surface = rasterise(np.array(far + near), np.array([[0, 1, 2], [3, 4, 5]]), (5, 5))
    seen = np.full(25, -1)
    seen[surface.pixels] = surface.faces
    expected = [[1, 1, 1, 0, 0], [1, 1, 0, 0, -1], [1, 0, 0, -1, -1], [0, 0, -1, -1, -1], [0, -1, -1, -1, -1]]
    np.testing.assert_array_equal(seen.reshape(5, 5), expected)


def test_interpolation_is_right_in_perspective() -> None:
    """Half way on the screen between depth 1 and depth 3 lies a quarter of the way along the edge."""
    screen = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 3.0], [0.0, 4.0, 1.0]])
    faces = np.array([[0, 1, 2]])
    surface = rasterise(screen, faces, (5, 5))
    along = surface.interpolate(np.array([[0.0], [1.0], [0.0]]), faces)
    np.testing.assert_allclose(along[surface.pixels == 2], [[0.25]])


def test_a_bent_leg_reaches_its_ankle_with_the_knee_in_front() -> None:
    """Thigh and shin end at the ankle; facing -y with the hinge to +x the knee goes to -y."""
    hip, ankle = np.array([0.1, 0.0, 0.9]), np.array([0.1, -0.1, 0.2])
    thigh, shin = bend_leg(hip, ankle, (0.45, 0.42), np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(hip + 0.45 * thigh + 0.42 * shin, ankle, atol=1e-9)
    middle = (hip + ankle) / 2
    assert (hip + 0.45 * thigh)[1] < middle[1]


def test_skin_follows_its_bone_and_bones_follow_their_parents() -> None:
    """A child bone turned with its parent by 90 degrees about z takes a vertex from +x to +y."""
    heads = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    rig = Rig(("root", "child"), (-1, 0), heads, np.array([[1]]), np.array([[1.0]]))
    posture = pose_rig(rig, np.array([0.0, 0.0, 5.0]), {"root": rotation("z", np.pi / 2)})
    np.testing.assert_allclose(skin(rig, posture, np.array([[2.0, 0.0, 0.0]])), [[0.0, 2.0, 5.0]], atol=1e-12)


@pytest.mark.parametrize("side", [1, -1])
def test_a_planted_foot_does_not_slide(side: int) -> None:
    """Whenever the ball of a foot is on the floor in two frames next to each other, it is in one place."""
    feet = [foot_at(float(t), side) for t in np.arange(0.0, DURATION, 1 / 30)]
    planted = [(a, b) for a, b in itertools.pairwise(feet) if a.lift == b.lift == 0.0]
    assert len(planted) > 90
    assert max(np.linalg.norm(b.place - a.place) for a, b in planted) < 1e-9


def test_the_body_moves_smoothly() -> None:
    """Neither pelvis nor arms jump from one frame to the next."""
    stances = [stance_at(float(t)) for t in np.arange(0.0, DURATION, 1 / 30)]
    pelvis = np.array([[*s.pelvis, s.drop] for s in stances])
    arms = np.array([[a.forward for a in s.arms] + [a.side for a in s.arms] for s in stances])
    assert np.abs(np.diff(pelvis, axis=0)).max() < 0.05
    assert np.abs(np.diff(arms, axis=0)).max() < 0.30
