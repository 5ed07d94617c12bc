"""Named joint sets: order of the joints, left/right twins, and the bones to draw."""

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
