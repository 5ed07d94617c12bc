"""From what has been run to the page: introduction, tables, claims, conditions."""

from collections.abc import Sequence
from statistics import fmean

from training.paper.measured import Measured
from training.paper.page import Figure, Page
from training.paper.published import TABLES, PaperTable
from training.paper.rows import ROWS
from training.paper.settings import Scale
from training.paper.tables import claims_section, section
from training.report.grids import Column, Grid, Row, Section
from training.report.words import percent

CPU_TABLES = ("II", "IV", "V", "VI")
"""Tables whose rows the CPU scale trains."""


def cpu_page(
    measured: Measured,
    scale: Scale,
    command: str,
    tables: Sequence[str],
    figures: Sequence[Figure] = (),
    more: Sequence[Section] = (),
) -> Page:
    """The page of the CPU scale, with these tables ("II"); `more` sections come after them."""
    chosen = [TABLES[number] for number in CPU_TABLES if number in tables]
    sections = [claims_section(chosen, measured), *(section(table, measured) for table in chosen)]
    sections += [*more, conditions(measured), other_tables()]
    return Page(intro(measured, scale), command, sections, figures, _NOTES)


def intro(measured: Measured, scale: Scale) -> list[str]:
    """What was run, in sentences."""
    network = scale.network
    folds = sorted({fold for runs in measured.rows.values() for fold in runs.folds})
    return [
        f"Every network stands on the same frozen trunk (MoveNet Thunder's, at {network.input_size} pixels) and on the "
        f"same pyramid, trained frame by frame for {scale.pyramid_steps} steps of {scale.pyramid_batch} pictures (the "
        "fold's training clips, and LSPET). What a row trains is the pyramid's last two convolutions, the head of "
        f"frame 1 and its temporal part: {scale.steps} steps of {scale.batch} clips of {scale.frames} frames, out of "
        f"{scale.sequences} augmented clips that are the same, in the same order, for all rows; {network.dim} "
        "channels, separable convolutions everywhere. This is the paper's comparison on equal terms and not its "
        "setting: the paper trains whole ResNets at 256 pixels.",
        f"Data: sub-JHMDB (reconstructed), folds {', '.join(map(str, folds))}: the official list is not at hand, and "
        "the folds share source videos between train and test. All 15 joints count. Whole videos are read frame by "
        "frame in the true box, by the tracker that serves, with states in 8 bits.",
    ]


def conditions(measured: Measured) -> Section:
    """What each row cost, and how much folds and seeds there are of it."""
    columns = [
        Column("folds"),
        Column("seeds"),
        Column("trained numbers"),
        Column("memory, channels"),
        Column("training, min"),
        Column("videos, min"),
        Column("folds apart, torso"),
    ]
    rows = []
    for row in ROWS:
        if row.key in measured.rows:
            runs = measured.rows[row.key]
            made = list(runs.made.values())
            cells = [
                ", ".join(map(str, runs.folds)),
                str(runs.seeds),
                f"{made[0].parameters:,}",
                str(made[0].memory_channels),
                percent(fmean(one.train_seconds for one in made) / 60),
                percent(fmean(one.eval_seconds for one in made) / 60),
                percent(measured.spread(row.key, "torso")),
            ]
            rows.append(Row(row.title, cells))
    machine = next(iter(next(iter(measured.rows.values())).made.values())).machine
    text = (
        f"On one core of {machine}, which other work shared: times are upper bounds, and of the last start where a run "
        "was interrupted. Seeds change a row's start and the order of its clips; the pyramid of a fold is common."
    )
    return Section("conditions", "What was run", text, [Grid("A row and fold", "Row", columns, rows)])


def other_tables() -> Section:
    """Tables that this scale does not run, with what is printed."""
    rows = [
        Row(f"Table {t.number}: {t.title}", [t.dataset, _why(t)]) for t in TABLES.values() if t.number in ("I", "III")
    ]
    columns = [Column("printed for", text=True), Column("here", text=True)]
    return Section("other", "Not run at this scale", "", [Grid("Tables", "Table", columns, rows)])


def _why(table: PaperTable) -> str:
    if table.number == "I":
        return "Penn Action's frames are not at hand"
    return "whole encoders have to be trained, which takes a GPU"


_NOTES = (
    "LSTM-PM, DKD, TCE and the -KMM rows follow their papers and, where there is any, their code; what these leave "
    "open is our reading and is said with each row.",
    "Intervals are 95 %, by 4,000 draws of clips; a clip that is in several folds is drawn for all of them at once.",
    "Test clips were used for nothing but these figures; settings are those of the first run.",
)
