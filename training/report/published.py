"""Rows that others printed, and peers measured on the same clips: what a reader holds our numbers against.

The rows are as the KIMNet paper prints them (Tables I and II and their torso parts), PCK@0.2 in percent. Not all of
them can be right: see `Benchmark.caveats`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from training.report.content import Head

ALPHA = 0.2  # the tolerance of every row here

# The columns of the papers' tables, and which of the served joints are in each.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Head": ("head",),
    "Sho": ("left_shoulder", "right_shoulder"),
    "Elb": ("left_elbow", "right_elbow"),
    "Wri": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ank": ("left_ankle", "right_ankle"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One method's printed numbers.

    Attributes:
        name: the method; source: who published it, "" where only the quoting paper is known.
        groups: percent in the order of GROUPS; empty where only the mean was printed.
        mean: percent, the printed mean, which is not always the mean of the groups.
    """

    name: str
    source: str
    groups: tuple[float, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published table: normaliser -> rows.

    Attributes:
        name: what was measured; table: where it was printed.
        caveats: what is known to be wrong or unclear in the printed rows, one sentence each.
    """

    name: str
    table: str
    rows: Mapping[str, tuple[Row, ...]]
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """A system of others that was run on the clips of this report.

    Attributes:
        given: what it was told of where the person is; pck: normaliser -> percent at alpha 0.2.
    """

    name: str
    given: str
    pck: Mapping[str, float]


_SOURCES: Mapping[str, str] = {
    "N-Best": "Park & Ramanan 2011",
    "ST-Part": "Nie et al. 2015",
    "ACPS": "Iqbal et al. 2017",
    "Chain": "Gkioxari et al. 2016",
    "ThinSl": "Song et al. 2017",
    "K-FPN": "Zhang et al. 2020",
    "TCE": "Li, Li, Wang & Xu 2020",
    "LSTM-PM": "Luo et al. 2018",
    "DKD": "Nie et al. 2019",
    "RPSTN": "Dang et al. 2022",
    "KIMNet": "Dang et al. 2024",
    "SimpleBaseline-50": "MMPose model zoo",
}


def _rows(*rows: tuple[str, tuple[float, ...], float]) -> tuple[Row, ...]:
    return tuple(Row(name, _SOURCES.get(name, ""), groups, mean) for name, groups, mean in rows)


PENN = Benchmark(
    name="Penn Action",
    table="Table I",
    rows={
        "person": _rows(
            ("N-Best", (62.8, 52.0, 32.3, 23.3, 53.3, 50.2, 43.0), 45.3),
            ("ST-Part", (64.2, 55.4, 33.8, 24.4, 56.4, 54.1, 48.0), 48.0),
            ("ACPS", (89.1, 86.4, 73.9, 73.0, 85.3, 79.9, 80.3), 81.1),
            ("Chain", (95.6, 93.8, 90.4, 90.7, 91.8, 90.8, 91.5), 91.8),
            ("ThinSl", (98.0, 97.3, 95.1, 94.7, 97.1, 97.1, 96.9), 96.5),
            ("K-FPN", (98.7, 98.7, 97.0, 95.3, 98.8, 98.7, 98.6), 98.0),
            ("TCE", (99.3, 98.5, 97.6, 97.2, 98.6, 98.1, 97.4), 98.0),
            ("LSTM-PM", (98.9, 98.6, 96.6, 96.6, 98.2, 98.2, 97.5), 97.7),
            ("DKD", (98.8, 98.7, 96.8, 97.0, 98.2, 98.1, 97.2), 97.8),
            ("RPSTN", (99.0, 98.7, 98.8, 98.5, 98.8, 98.7, 98.8), 98.7),
            ("KIMNet", (99.4, 99.6, 99.1, 99.0, 99.8, 99.5, 99.4), 99.7),
        ),
        "torso": _rows(
            ("LSTM-PM", (96.0, 93.6, 92.4, 91.1, 88.3, 94.2, 93.5), 92.6),
            ("DKD", (96.6, 93.7, 92.9, 91.2, 88.8, 94.3, 93.7), 92.9),
            ("RPSTN", (98.2, 96.9, 95.2, 93.2, 96.6, 95.7, 95.0), 95.7),
            ("KIMNet", (98.6, 97.7, 96.6, 95.7, 96.9, 97.3, 96.3), 96.9),
        ),
    },
    caveats=(
        "KIMNet's joints by person size average 99.4, so its printed mean of 99.7 cannot follow from them.",
        "By torso, Penn Action's invisible torso joints make many torsos far too long, which flatters every row.",
    ),
)

SUB_JHMDB = Benchmark(
    name="sub-JHMDB",
    table="Table II",
    rows={
        "person": _rows(
            ("N-Best", (79.0, 60.3, 28.7, 16.0, 74.8, 59.2, 49.3), 52.5),
            ("ST-Part", (80.3, 63.5, 32.5, 21.6, 76.3, 62.7, 53.1), 55.7),
            ("ACPS", (90.3, 76.9, 59.3, 55.0, 85.9, 76.4, 73.0), 73.8),
            ("ThinSl", (97.1, 95.7, 87.5, 81.6, 98.0, 92.7, 89.8), 92.1),
            ("K-FPN", (95.1, 96.4, 95.3, 91.3, 96.3, 95.6, 92.6), 94.7),
            ("TCE", (99.3, 98.9, 96.5, 92.5, 98.9, 97.0, 93.7), 96.5),
            ("SimpleBaseline-50", (), 96.0),
            ("LSTM-PM", (98.2, 96.5, 89.6, 86.0, 98.7, 95.6, 90.9), 93.6),
            ("DKD", (98.3, 96.6, 90.4, 87.1, 99.1, 96.0, 92.9), 94.0),
            ("RPSTN", (98.9, 99.1, 99.0, 97.9, 97.8, 97.8, 97.3), 97.4),
            ("KIMNet", (98.9, 99.1, 98.7, 98.5, 98.6, 98.3, 97.2), 98.5),
        ),
        "torso": _rows(
            ("SimpleBaseline-50", (), 80.1),
            ("LSTM-PM", (92.7, 75.6, 66.8, 64.8, 78.0, 73.1, 73.3), 73.6),
            ("DKD", (94.4, 78.9, 69.8, 67.6, 81.8, 79.0, 78.8), 77.4),
            ("RPSTN", (91.0, 87.1, 82.1, 80.5, 88.8, 85.9, 83.8), 85.8),
            ("KIMNet", (90.1, 88.8, 87.1, 85.8, 87.9, 88.8, 86.2), 88.1),
        ),
    },
    caveats=(
        "RPSTN's joints by person size average 98.2 where its printed mean is 97.4.",
        "By torso, the means of RPSTN and KIMNet fit only if neck and belly, which have no column, count too.",
        "SimpleBaseline-50 is per image and with flip test, the mean of three folds, from the MMPose model zoo.",
    ),
)

_BENCHMARKS: Mapping[str, Benchmark] = {"jhmdb": SUB_JHMDB, "sub-jhmdb": SUB_JHMDB, "penn-action": PENN}

_PEERS = (
    Peer("MediaPipe Pose lite", "nothing", {"person": 80.1, "torso": 59.1}),
    Peer("MediaPipe Pose full", "nothing", {"person": 80.6, "torso": 62.7}),
    Peer("MediaPipe Pose heavy", "nothing", {"person": 81.4, "torso": 66.8}),
    Peer("MoveNet Thunder", "box each frame", {"person": 93.4, "torso": 71.0}),
)


def benchmark(head: Head) -> Benchmark | None:
    """The published table to show beside a measurement; None where none is near enough to it."""
    return _BENCHMARKS.get(head.dataset) if _comparable(head) else None


def peers(head: Head) -> tuple[Peer, ...]:
    """Systems of others measured on exactly these clips; none for other clips or another metric."""
    return _PEERS if (head.dataset, head.part) == ("jhmdb", "test") and _comparable(head) else ()


def group_means(per_joint: Mapping[str, float]) -> dict[str, float | None]:
    """PCK by the papers' columns: the mean of left and right. None where no joint of the group was labelled."""
    found = {group: [per_joint[j] for j in joints if j in per_joint] for group, joints in GROUPS.items()}
    return {group: fmean(values) if values else None for group, values in found.items()}


def _comparable(head: Head) -> bool:
    return head.alpha == ALPHA and head.impl == "clean"
