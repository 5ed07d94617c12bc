"""Tables I to VI of the KIMNet paper: which row is ours, what was printed, and what the row is held against."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.report.published import PENN, SUB_JHMDB, Benchmark
from training.report.published import Row as Printed


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table.

    Attributes:
        title: as printed, or ours where the paper has no such row.
        row: key of `training.paper.rows`; None where nobody runs it here.
        printed: normaliser -> what the paper has; empty where it has nothing.
        against: key of the row whose difference from this one is the paper's claim; None where there is none.
    """

    title: str
    row: str | None
    printed: Mapping[str, Printed]
    against: str | None = None


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number: "I" to "VI"; title: what it is about.
        dataset: that the printed numbers are of.
        entries: its rows, and ours beside them.
    """

    number: str
    title: str
    dataset: str
    entries: tuple[Entry, ...]


_OURS = {"LSTM-PM": "lstm-pm", "DKD": "dkd", "RPSTN": "rpstn", "KIMNet": "kimnet", "TCE": "tce", "K-FPN": "k-fpn"}
_BESIDE = (
    ("optical flow", "flow"),
    ("frame by frame", "frame-by-frame"),
    ("frame by frame, JRE", "frame-by-frame-jre"),
)
_TORSO = "torso"


def _benchmark(benchmark: Benchmark, number: str, title: str) -> PaperTable:
    names = dict.fromkeys(row.name for rows in benchmark.rows.values() for row in rows)
    entries = []
    for name in names:
        printed = {n: row for n, rows in benchmark.rows.items() for row in rows if row.name == name}
        key = _OURS.get(name)
        entries.append(Entry(name, key, printed, "kimnet" if key not in (None, "kimnet") else None))
    extra = (
        ("optical flow", "flow"),
        ("frame by frame", "frame-by-frame"),
        ("frame by frame, JRE", "frame-by-frame-jre"),
    )
    entries += [Entry(title, key, {}, "kimnet") for title, key in extra]
    return PaperTable(number, title, benchmark.name, tuple(entries))


def _torso(name: str, mean: float, *groups: float) -> Mapping[str, Printed]:
    return {_TORSO: Printed(name, "Dang et al. 2024", groups, mean)}


_KIMNET = _torso("KIMNet", 96.9, 98.6, 97.7, 96.6, 95.7, 96.9, 97.3, 96.3)

TABLE_I = _benchmark(PENN, "I", "Penn Action")
TABLE_II = _benchmark(SUB_JHMDB, "II", "sub-JHMDB")
TABLE_III = PaperTable(
    "III",
    "Encoders, and no P",
    PENN.name,
    (
        Entry("w/o-P", "no-p", _torso("w/o-P", 96.3, 97.9, 97.1, 95.7, 95.1, 96.6, 96.9, 95.5), "resnet50"),
        Entry("Res18", "resnet18", _torso("Res18", 95.6, 97.2, 97.1, 95.0, 93.9, 96.1, 96.2, 94.8), "resnet50"),
        Entry("Res34", "resnet34", _torso("Res34", 95.8, 97.6, 97.3, 95.4, 93.3, 96.2, 96.4, 95.0), "resnet50"),
        Entry("Res50", "resnet50", _KIMNET),
        Entry("HG", "hourglass", _torso("HG", 97.1, 98.4, 97.7, 96.8, 95.6, 97.2, 97.6, 97.1), "resnet50"),
        Entry("HRNet", "hrnet", _torso("HRNet", 97.2, 98.0, 97.8, 97.2, 95.7, 97.3, 97.5, 97.1), "resnet50"),
    ),
)
TABLE_IV = PaperTable(
    "IV",
    "KMM in other networks",
    PENN.name,
    (
        Entry("LSTM-PM", "lstm-pm", _torso("LSTM-PM", 92.6, 96.0, 93.6, 92.4, 91.1, 88.3, 94.2, 93.5)),
        Entry(
            "LSTMPM-KMM",
            "lstm-pm-kmm",
            _torso("LSTMPM-KMM", 93.0, 97.3, 94.3, 92.3, 93.9, 89.8, 94.5, 91.3),
            "lstm-pm",
        ),
        Entry("DKD", "dkd", _torso("DKD", 92.9, 96.6, 93.7, 92.9, 91.2, 88.8, 94.3, 93.7)),
        Entry("DKD-KMM", "dkd-kmm", _torso("DKD-KMM", 93.7, 97.7, 96.4, 91.5, 96.2, 89.7, 95.4, 91.4), "dkd"),
        Entry("RPSTN", "rpstn", _torso("RPSTN", 95.7, 98.2, 96.9, 95.2, 93.2, 96.6, 95.7, 95.0)),
        Entry("RPSTN-KMM", "rpstn-kmm", _torso("RPSTN-KMM", 95.9, 97.9, 97.0, 94.8, 93.3, 96.6, 96.9, 95.9), "rpstn"),
        Entry("KIMNet", "kimnet", _KIMNET),
    ),
)
TABLE_V = PaperTable(
    "V",
    "Parts of KMM",
    PENN.name,
    (
        Entry(
            "Share-QK",
            "kimnet-share-qk",
            _torso("Share-QK", 95.8, 97.4, 97.1, 95.0, 93.1, 96.8, 96.7, 95.1),
            "kimnet",
        ),
        Entry("w/o-d", "kimnet-no-d", _torso("w/o-d", 95.8, 97.5, 97.1, 94.9, 93.7, 96.4, 96.4, 95.3), "kimnet"),
        Entry(
            "Residual",
            "kimnet-residual",
            _torso("Residual", 90.3, 97.4, 95.7, 88.9, 81.1, 94.8, 91.8, 85.9),
            "kimnet",
        ),
        Entry("Heatmap", "kimnet-heatmap", _torso("Heatmap", 90.4, 96.2, 94.9, 86.3, 82.5, 95.6, 92.8, 87.6), "kimnet"),
        Entry("linear", "kimnet-linear", {}, "kimnet"),
        Entry("KIMNet as served", "kimnet-served", {}, "kimnet"),
        Entry("KIMNet (softmax)", "kimnet", _KIMNET),
    ),
)
TABLE_VI = PaperTable(
    "VI",
    "KMM against other temporal modules in KIMNet",
    PENN.name,
    (
        Entry("KIMNet-DKD", "kimnet-dkd", _torso("KIMNet-DKD", 95.8), "kimnet"),
        Entry("KIMNet-JRPSP", "kimnet-jrpsp", _torso("KIMNet-JRPSP", 96.0), "kimnet"),
        Entry("KIMNet", "kimnet", _KIMNET),
    ),
)

TABLES = {table.number: table for table in (TABLE_I, TABLE_II, TABLE_III, TABLE_IV, TABLE_V, TABLE_VI)}


def printed_mean(table: PaperTable, row: str, normaliser: str) -> float | None:
    """What a table prints of a row of ours; None where nothing."""
    found = [
        entry.printed[normaliser].mean for entry in table.entries if entry.row == row and normaliser in entry.printed
    ]
    return found[0] if found else None
