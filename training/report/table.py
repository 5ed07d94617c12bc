"""PCK tables for people."""

import math

from training import box_mode
from training.box_mode import BoxMode
from training.datasets.person import SKELETON
from training.evaluation.noise import Spread
from training.evaluation.run import Scores


def table(scores: dict[BoxMode, Scores], measured_on: str, alpha: float = 0.2) -> str:
    """Markdown: a row for each box mode and normaliser, a column for each joint."""
    first = next(iter(scores.values()))
    head = ["box mode", "by", "mean", *SKELETON.joints]
    lines = [
        f"PCK@{alpha:g} in % on {measured_on}: "
        f"{first.clips} clips, {first.frames} frames, {first.person.joints} joints{_noise(scores)}",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for mode, measured in scores.items():
        results = (("person", measured.person), ("torso", measured.torso))
        for (normaliser, result), deviation in zip(results, measured.deviation, strict=True):
            cells = [f"{result.per_joint[j]:.1f}" if j in result.per_joint else "" for j in SKELETON.joints]
            mean = Spread(result.mean, deviation, measured.runs)
            lines.append("| " + " | ".join([box_mode.NAMES[mode], normaliser, str(mean), *cells]) + " |")
    jitter = [f"{box_mode.NAMES[mode]} {s.jitter:.2f}" for mode, s in scores.items() if not math.isnan(s.jitter)]
    if jitter:
        lines += ["", f"Jitter, mean acceleration error in % of the person's size a frame^2: {', '.join(jitter)}."]
    return "\n".join(lines)


def _noise(scores: dict[BoxMode, Scores]) -> str:
    runs = max(measured.runs for measured in scores.values())
    return f"; tracked figures are the mean of {runs} noise seeds, with their deviation" if runs > 1 else ""
