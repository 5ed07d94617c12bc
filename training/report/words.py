"""The report's words: names of box modes, joints and data sets, and numbers as people read them."""

import math
from collections.abc import Mapping

from training import box_mode
from training.report.content import Head

NOTHING = "–"

_BOX_MODES: Mapping[str, str] = {str(mode): name for mode, name in box_mode.NAMES.items()}
_NORMALISERS = {"person": "by person size", "torso": "by torso"}
_DATASETS = {
    "jhmdb": "JHMDB",
    "sub-jhmdb": "sub-JHMDB (reconstructed)",
    "sub-jhmdb-15": "sub-JHMDB (reconstructed), 15 joints",
    "penn-action": "Penn Action",
    "lsp": "LSP",
    "lspet": "LSPET",
    "coco": "COCO",
}


def box_mode_name(mode: str) -> str:
    """A box mode, in words."""
    return _BOX_MODES.get(mode, mode)


def normaliser_name(normaliser: str) -> str:
    """A normaliser, as it stands over its columns."""
    return _NORMALISERS.get(normaliser, f"by {normaliser}")


def dataset_name(dataset: str) -> str:
    """A data set, as it is written in prose."""
    return _DATASETS.get(dataset, dataset)


def joint_name(joint: str) -> str:
    """A joint for people: "left_hip" is "L hip"."""
    return joint.replace("left_", "L ").replace("right_", "R ").replace("_", " ")


def percent(value: float | None) -> str:
    """One decimal, or a dash for what was not measured."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.1f}"


def title(head: Head) -> str:
    """The report's name."""
    return f"{head.model} {head.version} on {dataset_name(head.dataset)} {head.part}"


def conditions(head: Head) -> list[tuple[str, str]]:
    """What a reader needs to get the same numbers, but for the command."""
    return [
        ("Weights", f"{head.model} {head.version}"),
        ("SHA-256", head.sha256),
        ("Data", f"{dataset_name(head.dataset)} ({head.dataset}), part {head.part}"),
        ("Split", head.split),
        ("Counted", f"{head.clips:,} clips, {head.frames:,} frames, {head.joints:,} joints"),
        ("Alpha", f"{head.alpha:g}"),
        *((f"Normaliser {name}", text) for name, text in head.normalisers.items()),
        ("Visibility", head.visibility),
        ("Metric", f"impl={head.impl}, torso_invalid={head.torso_invalid}"),
        ("Engine", head.engine),
        ("Machine", head.machine),
        ("Date", head.date),
    ]
