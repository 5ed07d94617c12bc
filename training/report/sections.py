"""What a report says, in which order: sections of tables, for Markdown and HTML alike."""

import math
from collections.abc import Mapping

from training.report.comparison import beside_peers, beside_published
from training.report.content import Content, Table
from training.report.grids import Column, Grid, Row, Section
from training.report.words import NOTHING, box_mode_name, joint_name, normaliser_name, percent

CURVE_ALPHAS = (0.05, 0.1, 0.2, 0.3, 0.5)


def sections(content: Content) -> list[Section]:
    """All parts that there are numbers for."""
    parts = [
        summary(content),
        by_joint(content),
        beside_published(content),
        beside_peers(content),
        over_alpha(content),
        by_action(content),
        jitter(content),
        hidden_joints(content),
        blur(content),
        presence(content),
        relation(content),
        worst(content),
        stills(content),
    ]
    return [part for part in parts if part and any(grid.rows for grid in part.grids)]


def summary(content: Content) -> Section:
    """The three box modes, recurrent beside frame by frame."""
    names = ("recurrent", "frame by frame", "gain")
    columns = [Column(name, normaliser_name(n)) for n in content.head.normalisers for name in names]
    rows = []
    for mode, table in content.modes.items():
        single = content.frame_by_frame.get(mode, Table({}, {}))
        cells = [c for n in content.head.normalisers for c in _pair(table, single, n)]
        rows.append(Row(box_mode_name(mode), cells))
    caption = f"PCK@{content.head.alpha:g} in %, mean over all labelled joints."
    text = (
        "Recurrent is what is served. Frame by frame reads every frame as a first one, with the same weights; "
        "the gain is what the memory of the frame before adds, in points."
    )
    return Section("summary", "Summary", text, [Grid(caption, "Given to the tracker", columns, rows)])


def by_joint(content: Content) -> Section:
    """A row for each joint, a column for each box mode."""
    tables = {box_mode_name(mode): table for mode, table in content.modes.items()}
    return Section("joints", "Joint by joint", "", [_joint_grid(content, tables)])


def stills(content: Content) -> Section:
    """Pictures rather than clips, joint by joint."""
    text = "Every picture is read as a first frame in its true box: what the encoder sees without any memory."
    return Section("stills", "Still pictures", text, [_joint_grid(content, content.stills)])


def jitter(content: Content) -> Section:
    """How much joints tremble, recurrent beside frame by frame."""
    columns = [Column("recurrent"), Column("frame by frame"), Column("change in %")]
    rows = []
    for mode, table in content.modes.items():
        single = content.frame_by_frame.get(mode, Table({}, {})).jitter
        if table.jitter is not None:
            change = f"{100 * (table.jitter / single - 1):+.0f}" if single else NOTHING
            rows.append(Row(box_mode_name(mode), [_two_digits(table.jitter), _two_digits(single), change]))
    text = (
        "Mean error of the joints' acceleration against the labels' own, in percent of the person's size a frame "
        "squared: trembling, without the person's own motion."
    )
    return Section("jitter", "Jitter", text, [Grid("", "Given to the tracker", columns, rows)])


def blur(content: Content) -> Section:
    """PCK over the length of the smear."""
    columns = [Column(reader) for reader in content.blur]
    rows = [
        Row(f"{100 * length:g} %", [percent(curve[i]) for curve in content.blur.values()])
        for i, length in enumerate(content.blur_lengths)
    ]
    text = "Every frame is smeared along a random line of that share of the person's size; true boxes, by person size."
    return Section("blur", "Blurred frames", text, [Grid("", "Length of the smear", columns, rows)])


def presence(content: Content) -> Section | None:
    """People missed and nobodies taken for people, at each threshold of the person score."""
    found = content.presence
    if found is None:
        return None
    columns = [Column("people missed, %"), Column("nobody taken for a person, %")]
    rows = [
        Row(f"{threshold:g}", [percent(missed), percent(false)], ours=threshold == found.served)
        for threshold, missed, false in zip(found.thresholds, found.missed, found.false, strict=True)
    ]
    text = (
        f"{found.people:,} crops of people in their true boxes, {found.empty:,} crops without: background beside the "
        "person, the person wiped out, noise, flat colour. The bold row is what the tracker uses. Expected calibration "
        f"error: {found.calibration:.1f} points."
    )
    return Section("presence", "Person score", text, [Grid("", "Threshold", columns, rows)])


def over_alpha(content: Content) -> Section:
    """The PCK curve at a few tolerances."""
    near = [
        (a, i) for a in CURVE_ALPHAS for i, have in enumerate(content.alphas) if math.isclose(a, have, abs_tol=1e-6)
    ]
    columns = [Column(f"{a:g}", "alpha") for a, _ in near]
    rows = [
        Row(f"{box_mode_name(mode)}, {normaliser_name(n)}", [percent(curve[i]) for _, i in near])
        for n in content.head.normalisers
        for mode, curves in content.curves.items()
        if (curve := curves.get(n))
    ]
    text = "The share of joints within alpha times the person's size, or the torso's."
    return Section(
        "alpha", "PCK over alpha", text, [Grid("PCK in % at some alphas.", "Box mode", columns, rows)], drawn=True
    )


def by_action(content: Content) -> Section:
    """A row for each action."""
    normalisers = list(content.head.normalisers)
    columns = [Column(box_mode_name(mode), normaliser_name(n)) for n in normalisers for mode in content.modes]
    rows = [
        Row(action, [percent(by_mode.get(mode, {}).get(n)) for n in normalisers for mode in content.modes])
        for action, by_mode in content.actions.items()
    ]
    caption = f"PCK@{content.head.alpha:g} in %, mean over all labelled joints of the action's clips."
    return Section("actions", "By action", "", [Grid(caption, "Action", columns, rows)])


def hidden_joints(content: Content) -> Section:
    """The occlusion curve as a table for each kind of hiding."""
    grids = []
    for kind, readers in content.occlusion.items():
        columns = [Column(reader, which) for which in ("all joints", "hidden joints") for reader in readers]
        found = {reader: {p.hidden: p for p in curve} for reader, curve in readers.items()}
        rows = []
        for n in sorted({n for points in found.values() for n in points}):
            points = [curve.get(n) for curve in found.values()]
            cells = [percent(p.all_joints if p else None) for p in points]
            rows.append(Row(str(n), cells + [percent(p.hidden_joints if p and n else None) for p in points]))
        grids.append(Grid(f"PCK in % by person size, joints hidden in {kind}.", "Hidden joints", columns, rows))
    text = "Joints are covered in the picture; the recurrent reader may still know them from the frames before."
    return Section("occlusion", "Hidden joints", text, grids, drawn=True)


def relation(content: Content) -> Section:
    """The mean map W_r in percent."""
    names = [joint_name(joint) for joint in content.joints]
    rows = [
        Row(name, [f"{100 * w:.0f}" for w in weights]) for name, weights in zip(names, content.relation, strict=False)
    ]
    columns = [Column(name, "previous frame") for name in names]
    text = (
        "The temporal-correlation map W_r, mean over all frames: how much of each joint of the previous frame goes "
        "into a joint of the current one. Rows are current joints and sum to 100; columns are previous joints."
    )
    return Section("relation", "Temporal correlation", text, [Grid("W_r in %.", "Current", columns, rows)], drawn=True)


def worst(content: Content) -> Section:
    """The clips to look at first."""
    normalisers = list(content.head.normalisers)
    columns = [
        Column("action", text=True),
        Column("box mode", text=True),
        *(Column(normaliser_name(n)) for n in normalisers),
    ]
    rows = [
        Row(clip.name, [clip.action, box_mode_name(clip.mode), *(percent(clip.pck.get(n)) for n in normalisers)])
        for clip in content.worst
    ]
    text = f"The {len(rows)} clips with the lowest PCK by person size."
    grid = Grid(f"PCK@{content.head.alpha:g} in %.", "Clip", columns, rows)
    return Section("worst", "Worst clips", text, [grid])


def _two_digits(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _pair(recurrent: Table, single: Table, normaliser: str) -> list[str]:
    """Both readers' means, the first with its deviation over noise seeds, and what lies between them."""
    mine, theirs = recurrent.mean.get(normaliser), single.mean.get(normaliser)
    gain = NOTHING
    if mine is not None and theirs is not None:
        gain = f"{mine - theirs:+.1f}".replace("-", "−")
    deviation = recurrent.deviation.get(normaliser)
    shown = percent(mine) if deviation is None else f"{percent(mine)} ± {deviation:.1f}"
    return [shown, percent(theirs), gain]


def _joint_grid(content: Content, tables: Mapping[str, Table]) -> Grid:
    cases = [(n, table) for n in content.head.normalisers for table in tables.values()]
    columns = [Column(name, normaliser_name(n)) for n in content.head.normalisers for name in tables]
    mean = Row("mean", [percent(table.mean.get(n)) for n, table in cases], ours=True)
    rows = [
        Row(joint_name(joint), [percent(table.per_joint.get(n, {}).get(joint)) for n, table in cases])
        for joint in content.joints
    ]
    caption = f"PCK@{content.head.alpha:g} in %; left and right are the person's own."
    return Grid(caption, "Joint", columns, [mean, *rows] if tables else [])
