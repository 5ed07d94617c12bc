"""From what has been run to the page: introduction, claims, tables, conditions."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from training.datasets.jhmdb_splits import FOLDS
from training.paper.measured import Measured
from training.paper.page import Figure, Page
from training.paper.published import TABLES, PaperTable
from training.paper.rows import ENCODER_ROWS, ROWS
from training.paper.settings import Scale
from training.paper.tables import claims_section, section
from training.report.grids import Column, Grid, Row, Section
from training.report.words import percent

CPU_TABLES = ("II", "IV", "V", "VI")
"""Tables whose rows stand on the shared features of the CPU scale."""

PENN_TABLES = ("I", "III", "IV", "V", "VI")
"""Tables that the paper prints for Penn Action."""

_SUB = "sub-JHMDB (reconstructed), 15 joints, mean of folds"

_NOTES = (
    "LSTM-PM, DKD, TCE and the -KMM rows follow their papers and, where there is any, their code; what these leave "
    "open is our reading and is said with each row.",
    "Intervals are 95 %, by 4,000 draws of clips; a clip that is in several folds is drawn for all of them at once.",
    "Test clips were used for nothing but these figures; settings are those of the first run.",
)


def cpu_page(
    measured: Measured | None,
    scale: Scale,
    command: str,
    tables: Sequence[str] = CPU_TABLES,
    smoke: Measured | None = None,
    figures: Sequence[Figure] = (),
    more: Sequence[Section] = (),
) -> Page:
    """The page of the CPU scale.

    Args:
        measured: rows on the shared features; None where only Table III's encoders were run.
        tables: those that are wanted ("II"); smoke: Table III's encoders at 128 pixels, where they were run.
        more: sections that come after the tables.
    """
    chosen = [TABLES[number] for number in CPU_TABLES if number in tables]
    sections = _shared_sections(chosen, measured) if measured else []
    sections += [_smoke(smoke)] if smoke else []
    sections += [*more, *(conditions(one) for one in (measured, smoke) if one), _left_out(smoke)]
    return Page(intro(measured, scale) if measured else [], command, sections, figures, _NOTES)


def _shared_sections(tables: Sequence[PaperTable], measured: Measured) -> list[Section]:
    claims = claims_section([(table, measured) for table in tables])
    return [claims, *(section(table, measured, _SUB) for table in tables)]


def gpu_page(measured: Mapping[str, Measured], command: str) -> Page:
    """The page of the GPU scale; `measured` by the data set: "penn-action", "sub-jhmdb-15"."""
    penn, sub = measured.get("penn-action"), measured.get("sub-jhmdb-15")
    pairs = [(TABLES[number], penn, "Penn Action, 13 joints") for number in PENN_TABLES]
    pairs.insert(1, (TABLES["II"], sub, "sub-JHMDB, 15 joints, mean of folds"))
    known = [(table, found, words) for table, found, words in pairs if found is not None]
    sections = [claims_section([(table, found) for table, found, _ in known])]
    sections += [section(table, found, words) for table, found, words in known]
    sections += [conditions(found) for found in measured.values()]
    words = (
        "The paper's own setting: whole ResNets from MPII checkpoints at 256 pixels, its rates and batch sizes, 100 "
        "passes, no limit on gradients, no averaging, float32. It names no schedule: the rate is constant."
    )
    return Page([words], command, sections, (), _NOTES)


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
        *_unfinished(measured),
    ]


def _unfinished(measured: Measured) -> list[str]:
    """A sentence where not every row has been run on every fold."""
    done, all_of_them = sum(len(runs.folds) for runs in measured.rows.values()), len(ROWS) * len(FOLDS)
    if done == all_of_them:
        return []
    return [f"Unfinished: {done} of {all_of_them} rows and folds have been run; figures are of those alone."]


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
    known = [row for row in (*ROWS, *ENCODER_ROWS) if row.key in measured.rows]
    rows = [Row(row.title, _conditions(measured, row.key)) for row in known]
    machine = next(iter(next(iter(measured.rows.values())).made.values())).machine
    text = (
        f"On {machine}, one core of it, which other work shared: times are upper bounds, and of the last start where a "
        "run was interrupted. Seeds change a row's start and the order of its clips; the pyramid of a fold is common."
    )
    return Section(f"conditions-{known[0].key}", "What was run", text, [Grid("A row and fold", "Row", columns, rows)])


def _conditions(measured: Measured, key: str) -> list[str]:
    runs = measured.rows[key]
    made = list(runs.made.values())
    return [
        ", ".join(map(str, runs.folds)),
        str(runs.seeds),
        f"{made[0].parameters:,}",
        str(made[0].memory_channels),
        percent(fmean(one.train_seconds for one in made) / 60),
        percent(fmean(one.eval_seconds for one in made) / 60),
        percent(measured.spread(key, "torso")),
    ]


def _smoke(measured: Measured) -> Section:
    """Table III at a size that tells nothing but that the encoders train."""
    words = "sub-JHMDB (reconstructed), fold 1, 15 joints: a smoke test, 128 pixels, from nothing, 240 steps"
    return section(TABLES["III"], measured, words)


def _left_out(smoke: Measured | None) -> Section:
    """Tables that this scale does not run."""
    reasons = {"I": "Penn Action's frames are not at hand", "III": "whole encoders take a GPU"}
    if smoke:
        reasons["III"] = "above, as a smoke test only"
    rows = [Row(f"Table {n}: {TABLES[n].title}", [TABLES[n].dataset, why]) for n, why in reasons.items()]
    columns = [Column("printed for", text=True), Column("here", text=True)]
    return Section("other", "Not run at this scale", "", [Grid("Tables", "Table", columns, rows)])
