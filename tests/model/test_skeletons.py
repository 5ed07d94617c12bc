"""Skeletons: names, mirror images and bones."""

import pytest

from model.skeletons import COCO_17, KINEPOSE_13, OPENPOSE_BODY_25, OPENPOSE_COCO, Skeleton, joint_map


def test_served_skeleton_has_its_13_joints_left_first() -> None:
    """The order is a contract with clients: head, then left and right of every pair."""
    parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    assert KINEPOSE_13.joints == ("head", *(f"{side}_{p}" for p in parts for side in ("left", "right")))
    assert len(KINEPOSE_13) == 13


def test_mirroring_swaps_left_and_right() -> None:
    """A flipped picture shows the left wrist where the right one is expected; the head stays."""
    mirrored = [KINEPOSE_13.joints[i] for i in KINEPOSE_13.mirrored()]
    assert mirrored[KINEPOSE_13.index("left_wrist")] == "right_wrist"
    assert mirrored[KINEPOSE_13.index("right_knee")] == "left_knee"
    assert mirrored[0] == "head"


def test_mirroring_twice_changes_nothing() -> None:
    """The permutation is its own inverse."""
    permutation = KINEPOSE_13.mirrored()
    assert [permutation[i] for i in permutation] == list(range(13))


def test_bones_are_symmetric() -> None:
    """What is drawn on the left is drawn on the right."""
    twin = KINEPOSE_13.mirrored()
    bones = {frozenset(bone) for bone in KINEPOSE_13.bones}
    assert {frozenset(twin[i] for i in bone) for bone in bones} == bones


def test_bones_hold_the_body_together() -> None:
    """Every joint is reached from the head along bones."""
    reached = {0}
    for _ in KINEPOSE_13.joints:
        reached |= {i for bone in KINEPOSE_13.bones if reached & set(bone) for i in bone}
    assert reached == set(range(13))


def test_unknown_joint_is_an_error() -> None:
    """A name that is not in the skeleton has no index."""
    with pytest.raises(ValueError, match="not in tuple"):
        KINEPOSE_13.index("tail")


def test_repeated_joint_is_refused() -> None:
    """Two joints of one name could not be told apart."""
    with pytest.raises(ValueError, match="must be unique"):
        Skeleton("twice", ("head", "head"), ())


@pytest.mark.parametrize("bone", [(0, 2), (-1, 0)])
def test_bone_to_nowhere_is_refused(bone: tuple[int, int]) -> None:
    """A bone joins two joints of the skeleton."""
    with pytest.raises(ValueError, match="bone"):
        Skeleton("broken", ("head", "neck"), (bone,))


@pytest.mark.parametrize(("layout", "absent"), [(COCO_17, 5), (OPENPOSE_BODY_25, 13), (OPENPOSE_COCO, 6)])
def test_a_layout_takes_the_joints_that_mean_the_same_and_no_others(layout: Skeleton, absent: int) -> None:
    """All limbs are there; the head is no nose, and what is not measured has no source."""
    mapped = dict(zip(layout.joints, joint_map(KINEPOSE_13, layout), strict=True))

    assert {name: KINEPOSE_13.joints[i] for name, i in mapped.items() if i is not None} == {
        name: name for name in KINEPOSE_13.joints[1:]
    }
    assert sum(index is None for index in mapped.values()) == absent


def test_layouts_have_the_published_orders() -> None:
    """Spot checks against COCO's and OpenPose's own tables."""
    assert [COCO_17.joints[i] for i in (0, 5, 10, 16)] == ["nose", "left_shoulder", "right_wrist", "right_ankle"]
    assert [OPENPOSE_BODY_25.joints[i] for i in (1, 4, 8, 11, 14, 18, 19, 24)] == [
        "neck",
        "right_wrist",
        "mid_hip",
        "right_ankle",
        "left_ankle",
        "left_ear",
        "left_big_toe",
        "right_heel",
    ]
    assert len(OPENPOSE_BODY_25) == 25
    assert [OPENPOSE_COCO.joints[i] for i in (4, 8, 13, 17)] == ["right_wrist", "right_hip", "left_ankle", "left_ear"]
    assert len(OPENPOSE_COCO) == 18
