"""The switches of the metric, and what they mean in words."""

from dataclasses import dataclass
from typing import Literal

Normaliser = Literal["person", "torso"]
NORMALISERS: tuple[Normaliser, ...] = ("person", "torso")

Impl = Literal["clean", "rpstn"]
TorsoInvalid = Literal["legacy", "skip", "bbox"]
Visibility = Literal["visible", "all"]


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """How PCK is taken; the defaults are the protocol that our figures are published with.

    Attributes:
        alpha: the tolerance, a share of the normaliser, above 0.
        impl: "clean", or "rpstn" for that code's own way, which has no switches but alpha.
        torso_invalid: what a frame does, by torso, whose torso is no measure of the person. Either torso joint may be
            invisible and labelled anywhere (on Penn Action often in the picture's corner):
            "legacy"  the torso is used nevertheless, as published code does; one below 1 px gives way to the
                      predicted torso. A torso that runs to the corner makes nearly everything a hit.
            "skip"    the frame does not count where a torso joint is not visible.
            "bbox"    the person's size stands in where a torso joint is not visible, and where the torso is longer
                      than the person or below 1 px. A person is about 2.5 torsos long: such frames are easier.
        visibility: "visible" counts labelled joints; "all" counts every joint that a data set has a place for.
    """

    alpha: float = 0.2
    impl: Impl = "clean"
    torso_invalid: TorsoInvalid = "legacy"
    visibility: Visibility = "visible"

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"MetricOptions.alpha: expected a number above 0, got {self.alpha}")


_PERSON = "longer side of the person's true box"
_TORSO = "left shoulder to right hip in the true pose"
_TORSO_RULES = {
    "legacy": "predicted torso where that is below 1 px",
    "skip": "frames with an invisible torso joint left out",
    "bbox": "person size where a torso joint is invisible, or the torso below 1 px or longer than the person",
}


def in_words(options: MetricOptions) -> dict[str, str]:
    """Normaliser -> what it is, for the head of a report."""
    if options.impl == "rpstn":
        return {
            "person": f"{_PERSON} in the clip's first frame, pixels held against heatmap cells (RPSTN's code)",
            "torso": f"{_TORSO} in the clip's first frame, heatmap cells (RPSTN's code)",
        }
    return {"person": _PERSON, "torso": f"{_TORSO}; {_TORSO_RULES[options.torso_invalid]}"}
