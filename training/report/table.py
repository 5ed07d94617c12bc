"""PCK tables for people."""

from training import box_mode
from training.box_mode import BoxMode
from training.datasets.person import SKELETON
from training.evaluation.run import Scores


def table(scores: dict[BoxMode, Scores], measured_on: str, alpha: float = 0.2) -> str:
    """Markdown: a row for each box mode and normaliser, a column for each joint."""
    first = next(iter(scores.values()))
    head = ["box mode", "by", "mean", *SKELETON.joints]
    lines = [
        f"PCK@{alpha:g} in % on {measured_on}: "
        f"{first.clips} clips, {first.frames} frames, {first.person.joints} joints",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for mode, measured in scores.items():
        for normaliser, result in (("person", measured.person), ("torso", measured.torso)):
            cells = [f"{result.per_joint[j]:.1f}" if j in result.per_joint else "" for j in SKELETON.joints]
            lines.append("| " + " | ".join([box_mode.NAMES[mode], normaliser, f"{result.mean:.1f}", *cells]) + " |")
    return "\n".join(lines)
