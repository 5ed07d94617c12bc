"""What a run over a clip leaves behind to be measured."""

from dataclasses import dataclass

from model.skeletons import Skeleton
from model.values import Array
from training.datasets.person import SKELETON


@dataclass(frozen=True, slots=True, eq=False)
class ClipResult:
    """Joints of one clip beside the truth; all in pixels of the original frames.

    Attributes:
        name, action: the clip's; action is "" where the data set has none.
        joints: float32 [T, K, 2], as estimated.
        truth: float32 [T, K, 2].
        labelled: bool [T, K], joints whose truth is known and visible.
        boxes: float32 [T, 4], the person's true box x, y, w, h.
        scores: float32 [T, K], in [0, 1].
        skeleton: which K joints these are.
    """

    name: str
    action: str
    joints: Array
    truth: Array
    labelled: Array
    boxes: Array
    scores: Array
    skeleton: Skeleton = SKELETON

    def __post_init__(self) -> None:
        t, k = self.labelled.shape
        shapes = [a.shape for a in (self.joints, self.truth, self.boxes, self.scores)]
        if shapes != [(t, k, 2), (t, k, 2), (t, 4), (t, k)]:
            raise ValueError(f"{self.name}: expected {t} frames of {k} joints everywhere, got {shapes}")

    def __len__(self) -> int:
        return len(self.joints)
