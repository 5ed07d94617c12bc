"""The paper's tables with our rows beside the printed ones, and what they say of its claims."""

from collections.abc import Sequence

from training.evaluation.metrics import NORMALISERS, Normaliser
from training.paper.bootstrap import SERVED, Interval
from training.paper.measured import Measured
from training.paper.published import Entry, PaperTable, printed_mean
from training.paper.rows import ROWS
from training.report.grids import Column, Grid, Row, Section
from training.report.published import GROUPS
from training.report.words import NOTHING, normaliser_name, percent

HOLDS, CONTRARY, UNDECIDED = "holds", "the contrary", "cannot be told"

_NOTES = {row.key: row.note for row in ROWS}


def section(table: PaperTable, measured: Measured, ours: str) -> Section:
    """One table: a grid for each normaliser that the paper prints; `ours` says what our figures are of."""
    printed = [n for n in NORMALISERS if any(n in entry.printed for entry in table.entries)]
    grids = [_grid(table, measured, normaliser) for normaliser in printed]
    text = f"Printed figures are of {table.dataset}; ours of {ours}."
    if table.dataset not in ours:
        text += " So absolute figures do not compare; what a row gains or loses against the row beside it does."
    remarks = [f"{entry.title}: {_NOTES[entry.row]}." for entry in table.entries if entry.row and _NOTES.get(entry.row)]
    return Section(f"table-{table.number}", f"Table {table.number}: {table.title}", text, grids, remarks=tuple(remarks))


def verdict(printed: float, ours: Interval) -> str:
    """Whether a printed difference has its sign here, by the 95 % interval of ours."""
    low, high = (ours.low, ours.high) if printed > 0 else (-ours.high, -ours.low)
    return HOLDS if low > 0 else CONTRARY if high < 0 else UNDECIDED


def claims(table: PaperTable, measured: Measured) -> list[tuple[str, float, Interval, str]]:
    """Claims of a table by torso (the stricter): words, printed points, ours, and the verdict."""
    found = []
    for entry in table.entries:
        gap = _gap(table, entry, measured, "torso")
        if gap is not None and entry.row and entry.against:
            mine, ours = gap
            if mine is not None:
                words = f"{entry.title} against {_title(table, entry.against)}"
                found.append((words, mine, ours, verdict(mine, ours)))
    return found


def claims_section(tables: Sequence[tuple[PaperTable, Measured]]) -> Section:
    """All claims in one table."""
    rows = [
        Row(f"{table.number}: {words}", [signed(printed), interval(ours, signs=True), found])
        for table, measured in tables
        for words, printed, ours, found in claims(table, measured)
    ]
    columns = [Column("printed"), Column("ours, 95 %"), Column("here", text=True)]
    text = (
        "Points of PCK@0.2 by torso that the first of two rows has more than the second. A printed difference holds "
        "here where the whole of our interval lies on its side of 0. Intervals are over clips, not over trainings."
    )
    return Section("claims", "What holds here", text, [Grid("Differences, points", "Claim", columns, rows)])


def interval(value: Interval, signs: bool = False) -> str:
    """As in 84.2 (82.9 to 85.4)."""
    shown = signed if signs else percent
    return f"{shown(value.value)} ({shown(value.low)} to {shown(value.high)})"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return NOTHING if value is None else f"{value:+.1f}"


def _grid(table: PaperTable, measured: Measured, normaliser: Normaliser) -> Grid:
    columns = [
        Column("printed"),
        Column("ours, 95 %"),
        Column("difference"),
        Column("13 joints"),
        Column("printed", "against"),
        Column("ours, 95 %", "against"),
        *(Column(group, "ours") for group in GROUPS),
    ]
    rows = [
        Row(entry.title, _cells(table, entry, measured, normaliser), _against(table, entry), _is_run(entry, measured))
        for entry in table.entries
        if normaliser in entry.printed or _is_run(entry, measured)
    ]
    return Grid(f"PCK@0.2 in %, {normaliser_name(normaliser)}", "Method", columns, rows)


def _cells(table: PaperTable, entry: Entry, measured: Measured, normaliser: Normaliser) -> list[str]:
    printed = entry.printed.get(normaliser)
    cells = [percent(printed.mean if printed else None)]
    if entry.row is None or entry.row not in measured.rows:
        return [*cells, *[NOTHING] * (5 + len(GROUPS))]
    ours = measured.mean(entry.row, normaliser)
    cells += [interval(ours), signed(ours.value - printed.mean if printed else None)]
    cells.append(percent(measured.mean(entry.row, normaliser, SERVED).value))
    gap = _gap(table, entry, measured, normaliser)
    cells += [signed(gap[0]), interval(gap[1], signs=True)] if gap else [NOTHING, NOTHING]
    return cells + [percent(value) for value in measured.groups(entry.row, normaliser)]


def _gap(
    table: PaperTable, entry: Entry, measured: Measured, normaliser: Normaliser
) -> tuple[float | None, Interval] | None:
    """Points that a row has more than the one it is held against: printed and ours."""
    if entry.row not in measured.rows or entry.against not in measured.rows:
        return None
    assert entry.row is not None
    assert entry.against is not None
    ours = measured.difference(entry.row, entry.against, normaliser)
    if ours is None:
        return None
    other, mine = printed_mean(table, entry.against, normaliser), entry.printed.get(normaliser)
    return (mine.mean - other if mine and other is not None else None), ours


def _is_run(entry: Entry, measured: Measured) -> bool:
    return entry.row in measured.rows


def _against(table: PaperTable, entry: Entry) -> str:
    return f"against {_title(table, entry.against)}" if entry.against else ""


def _title(table: PaperTable, key: str) -> str:
    return next(entry.title for entry in table.entries if entry.row == key)
