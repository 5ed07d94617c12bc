"""Figure 9: PCK over the number of hidden joints, of every row, on fold 1."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.tracker import Tracker
from training.datasets.person import Clip
from training.evaluation.occlusion import KINDS, Kind, OcclusionOptions, occlusion_curves
from training.paper.page import Figure
from training.paper.rows import row
from training.report.charts import Line, line_chart
from training.report.content import Occluded
from training.report.grids import Column, Grid, Row, Section
from training.report.words import percent

FILE = "occlusion.json"
STRIDE = 3
"""Every third frame or window: for all rows the same ones."""

RowCurves = Mapping[Kind, Sequence[Occluded]]

_DRAWN = ("kimnet", "rpstn", "dkd", "lstm-pm", "tce", "flow", "frame-by-frame", "kimnet-served")


def measure(tracker: Tracker, clips: Sequence[Clip], folder: Path) -> None:
    """The curves of one row, into its folder."""
    options = OcclusionOptions(stride=STRIDE)
    found = occlusion_curves(tracker, clips, options, readers=("recurrent",))
    content = {kind: [[p.hidden, p.all_joints, p.hidden_joints] for p in c["recurrent"]] for kind, c in found.items()}
    (folder / f"unfinished-{FILE}").write_text(json.dumps(content))
    (folder / f"unfinished-{FILE}").replace(folder / FILE)


def read(folder: Path) -> RowCurves:
    """What was measured.

    Raises:
        FileNotFoundError: nothing was.
    """
    content = json.loads((folder / FILE).read_text())
    return {kind: [Occluded(int(n), every, hidden) for n, every, hidden in content[kind]] for kind in KINDS}


def figure(curves: Mapping[str, RowCurves]) -> Figure:
    """A chart for each kind of hiding, over all joints, with those rows that can be told apart."""
    charts = [
        line_chart(
            f"figure-9-{number}",
            f"Hidden in {kind}",
            "hidden joints",
            [_line(key, curves[key][kind]) for key in _DRAWN if key in curves],
            marks=True,
        )
        for number, kind in enumerate(KINDS)
    ]
    words = (
        "PCK@0.2 by person size over all joints, fold 1, true boxes, with 0 to 9 joints hidden under grey squares of a "
        "fifth of the person's size: in one frame after clear ones, and anew in each of frames 2 to 5. No row was "
        "trained on hidden joints."
    )
    return Figure("figure-9", "Figure 9: hidden joints", words, tuple(charts))


def section(curves: Mapping[str, RowCurves]) -> Section:
    """All rows as numbers."""
    numbers = range(10)
    grids = [
        Grid(
            f"PCK@0.2 by person size over all joints, %, hidden in {kind}",
            "Row",
            [Column(str(n), "hidden joints") for n in numbers],
            [Row(row(key).title, [percent(p.all_joints) for p in one[kind]]) for key, one in curves.items()],
        )
        for kind in KINDS
    ]
    return Section("hidden", "Hidden joints, all rows", "The numbers of figure 9.", grids)


def _line(key: str, curve: Sequence[Occluded]) -> Line:
    return Line(row(key).title, [p.hidden for p in curve], [p.all_joints for p in curve])
