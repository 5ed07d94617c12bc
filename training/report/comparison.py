"""Our numbers beside those of others, and how far the two can be compared."""

from training.report import published
from training.report.content import Content, Head
from training.report.grids import Column, Grid, Row, Section
from training.report.words import box_mode_name, normaliser_name, percent


def beside_published(content: Content) -> Section | None:
    """Our groups of joints above the rows of the papers."""
    known = published.benchmark(content.head)
    if known is None:
        return None
    grids = []
    for normaliser in content.head.normalisers:
        if normaliser in known.rows:
            caption = (
                f"PCK@{published.ALPHA:g} in %, {normaliser_name(normaliser)}. Published rows: {known.name}, "
                f"{known.table} of the KIMNet paper."
            )
            grids.append(_published_grid(content, known, normaliser, caption))
    text = _difference(content.head)
    return Section("published", "Beside published rows", text, grids, remarks=known.caveats)


def beside_peers(content: Content) -> Section | None:
    """Other people's systems on the same clips."""
    others = published.peers(content.head)
    means = {mode: table.mean for mode, table in content.modes.items()}
    normalisers = list(content.head.normalisers)
    ours = [
        Row(content.head.model, [_given(mode), *(percent(mean.get(n)) for n in normalisers)], ours=True)
        for mode, mean in means.items()
    ]
    theirs = [Row(p.name, [p.given, *(percent(p.pck.get(n)) for n in normalisers)]) for p in others]
    columns = [Column("given", text=True), *(Column(normaliser_name(n)) for n in normalisers)]
    caption = f"PCK@{published.ALPHA:g} in %, the same {content.head.clips} clips and 13 joints, whole videos."
    text = (
        "MediaPipe 0.10.21 ran in video mode on the whole frame and found the person itself; MoveNet Thunder was given "
        "the true box of each frame. Their nose stands for the head, and a missed person counts as missed joints."
    )
    grid = Grid(caption, "System", columns, [*ours, *theirs])
    return Section("peers", "Beside other systems on the same clips", text, [grid]) if others else None


def _published_grid(content: Content, known: published.Benchmark, normaliser: str, caption: str) -> Grid:
    columns = [Column("mean"), *(Column(group) for group in published.GROUPS)]
    ours = []
    for mode, table in content.modes.items():
        groups = published.group_means(table.per_joint.get(normaliser, {})).values()
        cells = [percent(value) for value in (table.mean.get(normaliser), *groups)]
        ours.append(Row(content.head.model, cells, box_mode_name(mode), ours=True))
    unprinted = [None] * len(published.GROUPS)
    theirs = [
        Row(row.name, [percent(value) for value in (row.mean, *(row.groups or unprinted))], row.source)
        for row in known.rows[normaliser]
    ]
    return Grid(caption, "Method", columns, [*ours, *theirs])


def _difference(head: Head) -> str:
    """How what we measured differs from what the papers measured: the reader must not take one for the other."""
    joints = "13 joints, whole videos, clean protocol"
    theirs = "15 joints, mean of three folds. So this is not the same benchmark."
    ours = {
        "jhmdb": f"Ours: {head.clips} JHMDB clips of our own split, {joints}; theirs: the official sub-JHMDB, {theirs}",
        "sub-jhmdb": f"Ours: {head.clips} clips of the reconstructed sub-JHMDB list (fold part {head.part}), {joints}; "
        f"theirs: the official list of 89, 80 and 92 test clips, {theirs}",
        "penn-action": f"Ours: {head.clips:,} of the 1,068 official test clips, {joints}.",
    }
    columns = "Our columns are the mean of left and right; the papers give the box in each frame."
    return f"{ours[head.dataset]} {columns}"


def _given(mode: str) -> str:
    return "nothing" if mode == "none" else box_mode_name(mode)
