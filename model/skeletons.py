"""Named joint sets: order of the joints, left/right twins, the bones to draw, and the layouts that other tools read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A joint order.

    Attributes:
        name: stable identifier, sent in every reply.
        joints: K joint names, left and right meant anatomically (the person's own).
        bones: pairs of joint indices to draw as lines.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"skeleton {self.name}: joint names must be unique, got {self.joints}")
        if any(not 0 <= i < len(self.joints) for bone in self.bones for i in bone):
            raise ValueError(f"skeleton {self.name}: a bone names a joint that is not there")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Position of a joint; ValueError for a name that is not in the skeleton."""
        return self.joints.index(joint)

    def mirrored(self) -> tuple[int, ...]:
        """Permutation [K] that swaps left and right: what a horizontal flip does to the joint order."""
        twin = {"left": "right", "right": "left"}
        return tuple(self.joints.index(_swap_side(name, twin)) for name in self.joints)


def _swap_side(name: str, twin: dict[str, str]) -> str:
    side, _, rest = name.partition("_")
    return f"{twin[side]}_{rest}" if side in twin else name


KINEPOSE_13 = Skeleton(
    name="kinepose13",
    joints=(
        "head",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    bones=(
        (1, 2),
        (1, 3),
        (3, 5),
        (2, 4),
        (4, 6),
        (1, 7),
        (2, 8),
        (7, 8),
        (7, 9),
        (9, 11),
        (8, 10),
        (10, 12),
        (0, 1),
        (0, 2),
    ),
)

JHMDB_15 = Skeleton(
    name="jhmdb15",
    joints=(*KINEPOSE_13.joints, "neck", "belly"),
    bones=(*KINEPOSE_13.bones, (0, 13), (13, 14)),
)
"""All joints of JHMDB, the served ones first: the paper's mean by torso on sub-JHMDB counts them all."""

SKELETONS = {skeleton.name: skeleton for skeleton in (KINEPOSE_13, JHMDB_15)}
"""Every skeleton by its name, as model cards have it."""

# -- layouts of other tools -------------------------------------------------------------------------------

# Where a joint means the same as one of ours it has our name, and `joint_map` finds it. Our head is the middle of the
# head: no nose, eye or ear. Middles of shoulders and hips are not measured either: they stay absent.

COCO_17 = Skeleton(
    name="coco17",
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    bones=(
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (1, 2),
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
    ),
)
"""COCO's person keypoints, with the bones of its own `skeleton`."""

_OPENPOSE_UPPER = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
_OPENPOSE_RIGHT_LEG = ("right_hip", "right_knee", "right_ankle")
_OPENPOSE_LEFT_LEG = ("left_hip", "left_knee", "left_ankle")
_OPENPOSE_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_OPENPOSE_FEET = (
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
)

OPENPOSE_BODY_25 = Skeleton(
    name="openpose_body_25",
    joints=(
        *_OPENPOSE_UPPER,
        "mid_hip",
        *_OPENPOSE_RIGHT_LEG,
        *_OPENPOSE_LEFT_LEG,
        *_OPENPOSE_FACE,
        *_OPENPOSE_FEET,
    ),
    bones=(),
)
"""OpenPose's BODY_25; its drawings are its own."""

OPENPOSE_COCO = Skeleton(
    name="openpose_coco",
    joints=(*_OPENPOSE_UPPER, *_OPENPOSE_RIGHT_LEG, *_OPENPOSE_LEFT_LEG, *_OPENPOSE_FACE),
    bones=(),
)
"""OpenPose's COCO model: 18 joints, in another order than COCO's own."""


def joint_map(source: Skeleton, target: Skeleton) -> tuple[int | None, ...]:
    """For each joint of `target` its index in `source`; None where `source` has no such joint."""
    known = {joint: index for index, joint in enumerate(source.joints)}
    return tuple(known.get(joint) for joint in target.joints)
