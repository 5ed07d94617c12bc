"""Figures of a clip out of trained rows: of the rendered one for the page, of real people for a folder of one's own."""

from pathlib import Path

from training.datasets.person import Clip
from training.paper import figures
from training.paper.page import Figure
from training.paper.rows import Row, row
from training.paper.runner import Paper, Readers
from training.paper.scenes import rendered, window

FOLD = 1
"""Whose networks draw."""

BESIDE = ("rpstn", "dkd", "lstm-pm", "tce", "flow", "frame-by-frame", "kimnet")
"""Rows of the figures that compare, in the order in which they stand."""

_RENDERED_AT, _STEP = 40, 2
_SHOWN = 3
"""Clips of real people that are drawn."""


def illustrate(paper: Paper, folder: Path, wanted: set[int]) -> list[Figure]:
    """Figures 4, 6, 7, 8 and 10 of the rendered clip, those of them that are wanted; none before KIMNet is trained."""
    rows = [row(key) for key in BESIDE if paper.is_there(row(key), FOLD)]
    if row("kimnet") not in rows or not wanted:
        return []
    clip = window(rendered(paper.scale.network.skeleton), _RENDERED_AT, _STEP)
    return _draw(paper.readers(rows, FOLD), clip, folder, wanted)


def illustrate_people(paper: Paper, folder: Path, wanted: set[int]) -> None:
    """The same of a few test clips, into a folder that is never committed: people are to be seen in it."""
    rows: list[Row] = [row(key) for key in BESIDE if paper.is_there(row(key), FOLD)]
    clips = paper.test_clips(FOLD)
    picked = clips[:: max(1, len(clips) // _SHOWN)][:_SHOWN]
    readers = paper.readers(rows, FOLD)
    for clip in picked:
        middle = max(0, len(clip) // 2 - 2)
        _draw(readers, window(clip, middle), folder / clip.name.replace("/", "-"), wanted)


def _draw(readers: Readers, clip: Clip, folder: Path, wanted: set[int]) -> list[Figure]:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if wanted & {4, 6}:
        unrolled = figures.Unrolled(readers.tails["kimnet"], readers.kept, clip)
        drawn += [figures.figure_4(unrolled, clip, folder), figures.figure_6(unrolled, clip, folder)]
    if wanted & {7, 8, 10}:
        drawn += figures.figures_7_8_10(readers.trackers, clip, folder)
    return [figure for figure in drawn if int(figure.name.rpartition("-")[2]) in wanted]
