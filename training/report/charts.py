"""Charts as inline SVG: vector lines, text as text, and colours that the page decides on.

Matplotlib draws with marker colours, which are then replaced by CSS variables and `currentColor`: so one picture reads
on a light page and on a dark one. The same numbers give the same bytes.
"""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from training.report.content import Content, Occluded
from training.report.words import box_mode_name, joint_name, normaliser_name, percent

# What is drawn -> what the page sees.
_INK, _RULE, _HEAT = "#010101", "#020202", "#030303"
_SERIES = tuple(f"#0a000{i}" for i in range(1, 9))
_COLOURS = {_INK: "currentColor", _RULE: "var(--rule)", _HEAT: "var(--heat)"} | {
    marker: f"var(--series-{i})" for i, marker in enumerate(_SERIES, 1)
}
_ALONE = {
    "var(--rule)": "#d5d5d0",
    "var(--heat)": "#1f5fa8",
    "currentColor": "#222222",
    "var(--series-1)": "#1f5fa8",
    "var(--series-2)": "#c2571a",
    "var(--series-3)": "#2e7d32",
    "var(--series-4)": "#7b3fa0",
    "var(--series-5)": "#a08000",
    "var(--series-6)": "#00838f",
    "var(--series-7)": "#ad1457",
    "var(--series-8)": "#616161",
}
_DASHES = ("-", "--", ":", "-.") * 2  # who cannot tell the colours can tell the lines
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "kinepose",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same widths on every machine
    "font.size": 8.5,
    "text.parse_math": False,  # names are names, whatever signs are in them
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _RULE,
    "axes.titlesize": 9.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}
_LEGEND, _TITLE = 32, 50  # characters; a longer text would leave no room for the lines
_PANEL = (4.5, 3.1)  # inches; about a phone's width at natural size


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn figure: its title, and SVG markup in which all text is escaped."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """A named line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def alone(chart: Chart) -> str:
    """The chart as a file of its own, on white: without a page there is nobody to give it colours."""
    text = str(chart.svg).replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )
    for variable, colour in _ALONE.items():
        text = text.replace(variable, colour)
    end = text.index(">") + 1
    return f'{text[:end]}<rect width="100%" height="100%" fill="#fff"/>{text[end:]}\n'


def curves_over_alpha(content: Content) -> list[Chart]:
    """A chart for each normaliser, a line for each box mode."""
    charts: list[Chart] = []
    for normaliser in content.head.normalisers:
        lines = [
            Line(box_mode_name(mode), content.alphas, c[normaliser])
            for mode, c in content.curves.items()
            if normaliser in c
        ]
        title = f"PCK {normaliser_name(normaliser)}"
        if lines:
            charts.append(line_chart(f"alpha-{len(charts)}", title, "alpha", lines, reference=content.head.alpha))
    return charts


def occlusion_curves(content: Content) -> list[Chart]:
    """A chart for each kind of hiding, over all joints and over the hidden ones; a line for each reader."""
    charts: list[Chart] = []
    for kind, readers in content.occlusion.items():
        for counted in ("all joints", "hidden joints"):
            lines = [_occluded(name, curve, counted == "hidden joints") for name, curve in readers.items()]
            title = f"Hidden in {kind}: {counted}"
            charts.append(line_chart(f"occlusion-{len(charts)}", title, "hidden joints", lines, marks=True))
    return charts


def relation_map(content: Content) -> list[Chart]:
    """W_r as a map of tinted cells with the share in percent in each; none where there is no map."""
    if not content.relation:
        return []
    title = "W_r: share of each previous joint (columns) in each current joint (rows), %"
    return [relation_chart("relation", title, content.relation, content.joints)]


def relation_chart(
    name: str, title: str, weights: list[list[float]], joints: Sequence[str], least: float = -1.0
) -> Chart:
    """One W_r; `name` keeps its ids apart from those of other charts on a page. Shares below `least` are left blank."""
    names = [joint_name(joint) for joint in joints]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.6, 6.2), layout="constrained")
        axes = figure.add_subplot()
        _cells(axes, weights, least)
        _name_cells(axes, [_short(name, _LEGEND) for name in names])
        return Chart(title, _inline(figure, name, title))


def _occluded(name: str, curve: list[Occluded], hidden_only: bool) -> Line:
    shown = [p for p in curve if p.hidden > 0 or not hidden_only]
    return Line(name, [p.hidden for p in shown], [p.hidden_joints if hidden_only else p.all_joints for p in shown])


def line_chart(
    name: str, title: str, x_name: str, lines: list[Line], reference: float | None = None, marks: bool = False
) -> Chart:
    """Lines over a common axis, percent; at most as many as there are colours."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_PANEL, layout="constrained")
        axes = figure.add_subplot()
        if reference is not None:
            axes.axvline(reference, color=_INK, linewidth=0.8, linestyle=(0, (1, 3)))
        for i, line in enumerate(lines):
            axes.plot(
                line.x,
                line.y,
                label=_short(line.name, _LEGEND),
                color=_SERIES[i % len(_SERIES)],
                linestyle=_DASHES[i % len(_DASHES)],
                marker=_MARKS[i % len(_MARKS)] if marks else "",
                markersize=4,
                clip_on=not marks,
            )
        _frame(axes, title, x_name, lines)
        return Chart(title, _inline(figure, name, f"{title}, % over {x_name}: {_in_words(lines)}"))


def _frame(axes: Axes, title: str, x_name: str, lines: list[Line]) -> None:
    values = [v for line in lines for v in line.y if math.isfinite(v)]
    low = 10 * math.floor(min(values, default=0.0) / 10)
    axes.set_ylim(max(0, low - 1), 101)
    axes.set_xlim(min(line.x[0] for line in lines), max(line.x[-1] for line in lines))
    axes.margins(x=0)
    axes.set_title(_short(title, _TITLE), loc="left", fontweight="bold")
    axes.set_xlabel(x_name)
    axes.set_ylabel("PCK, %")
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    rising = lines[0].y[-1] > lines[0].y[0]
    axes.legend(loc="lower right" if rising else "lower left", handlelength=2.6)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _in_words(lines: list[Line]) -> str:
    ends = [(line.name, percent(line.y[0]), line.x[0], percent(line.y[-1]), line.x[-1]) for line in lines]
    return "; ".join(f"{name} from {first} at {low:g} to {last} at {high:g}" for name, first, low, last, high in ends)


def _cells(axes: Axes, weights: list[list[float]], least: float) -> None:
    top = max(w for row in weights for w in row) or 1.0
    for i, row in enumerate(weights):
        for j, weight in enumerate(row):
            if weight < least:
                continue
            tint = 0.04 + 0.9 * max(0.0, weight / top)
            axes.add_patch(Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, facecolor=_HEAT, alpha=tint, linewidth=0))
            axes.text(j, i, f"{100 * weight:.0f}", ha="center", va="center", fontsize=7)


def _name_cells(axes: Axes, names: list[str]) -> None:
    count = range(len(names))
    axes.set_xticks(count, names, rotation=50, ha="left", rotation_mode="anchor")
    axes.set_yticks(count, names)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("previous frame")
    axes.set_ylabel("current frame")
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _inline(figure: Figure, name: str, words: str) -> Markup:
    """The figure as an `<svg>` element for a page: sized by the page, its ids its own, its colours the page's."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    body = file.getvalue()
    body = body[body.index("<svg") :]
    box = re.search(r'viewBox="[^"]+"', body)
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<style.*?</style>\s*", "", body, flags=re.DOTALL)  # it would reach the whole page
    body = re.sub(r'(<[^<>]*?\bid="|url\(#|href="#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", body)
    for marker, colour in _COLOURS.items():
        body = body.replace(marker, colour)
    opening = (
        f'<svg role="img" aria-label="{escape(words)}" {box.group() if box else ""}><title>{escape(words)}</title>'
    )
    return Markup(opening + body.strip())
