"""PCK tables for people."""

import math

from training.datasets.person import SKELETON
from training.evaluation.noise import Spread
from training.evaluation.run import Protocol, Scores
from training.provenance import WAYS


def table(scores: dict[Protocol, Scores], measured_on: str, alpha: float = 0.2) -> str:
    """Markdown: a row for each way to run and normaliser, a column for each joint."""
    first = next(iter(scores.values()))
    head = ["way", "by", "mean", *SKELETON.joints]
    lines = [
        f"PCK@{alpha:g} in % on {measured_on}: "
        f"{first.clips} clips, {first.frames} frames, {first.person.joints} joints{_noise(scores)}",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for way, measured in scores.items():
        results = (("person", measured.person), ("torso", measured.torso))
        for (normaliser, result), deviation in zip(results, measured.deviation, strict=True):
            cells = [f"{result.per_joint[j]:.1f}" if j in result.per_joint else "" for j in SKELETON.joints]
            mean = Spread(result.mean, deviation, measured.runs)
            lines.append("| " + " | ".join([WAYS[way], normaliser, str(mean), *cells]) + " |")
    jitter = [f"{WAYS[way]} {s.jitter:.2f}" for way, s in scores.items() if not math.isnan(s.jitter)]
    if jitter:
        lines += ["", f"Jitter, mean acceleration error in % of the person's size a frame^2: {', '.join(jitter)}."]
    return "\n".join(lines)


def _noise(scores: dict[Protocol, Scores]) -> str:
    runs = max(measured.runs for measured in scores.values())
    return f"; tracked figures are the mean of {runs} noise seeds, with their deviation" if runs > 1 else ""
