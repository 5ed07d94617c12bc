"""Line charts as SVG, drawn without any library: one string a chart."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.values import Array

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 28, 34
MOST_POINTS: Final = 1500
"""Of a line: more than there are pixels tell nothing more."""
TICKS: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line of a chart.

    Attributes:
        name: for the legend.
        y: [T]; NaN breaks it.
        colour: of CSS.
        dashed: told apart by more than its colour.
        x: [T], in place of the chart's own.
    """

    name: str
    y: Array
    colour: str
    dashed: bool = False
    x: Array | None = None


def line_chart(title: str, axes: tuple[str, str], x: Array, lines: Sequence[Line], *, even: bool = False) -> str:
    """A chart of lines over x [T]. `axes`: what x and y are, with units. `even`: a unit is as long in both."""
    wide = _range([line.x if line.x is not None else x for line in lines])
    high = _range([line.y for line in lines])
    if even:
        wide, high = _evened(wide, high)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">',
        _text(title, LEFT, 16, "title"),
        *_grid(wide, high, axes),
    ]
    for number, line in enumerate(lines):
        across = line.x if line.x is not None else x
        parts.append(
            _polylines(_placed(across, wide, LEFT, WIDTH - RIGHT), _placed(line.y, high, HEIGHT - BOTTOM, TOP), line)
        )
        parts.append(_legend(number, line))
    return "".join([*parts, "</svg>"])


def _range(values: Sequence[Array]) -> tuple[float, float]:
    """From the least to the greatest of all, with some room; 0 to 1 where there is none."""
    every = np.concatenate([np.asarray(part, float) for part in values]) if values else np.empty(0)
    every = every[np.isfinite(every)]
    if not len(every):
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def _evened(wide: tuple[float, float], high: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    unit = max((wide[1] - wide[0]) / (WIDTH - RIGHT - LEFT), (high[1] - high[0]) / (HEIGHT - BOTTOM - TOP))
    return _widened(wide, unit * (WIDTH - RIGHT - LEFT)), _widened(high, unit * (HEIGHT - BOTTOM - TOP))


def _widened(ends: tuple[float, float], length: float) -> tuple[float, float]:
    middle = sum(ends) / 2
    return middle - length / 2, middle + length / 2


def _placed(values: Array, ends: tuple[float, float], start: float, end: float) -> Array:
    placed: Array = start + (np.asarray(values, float) - ends[0]) / (ends[1] - ends[0]) * (end - start)
    return placed


def _grid(wide: tuple[float, float], high: tuple[float, float], axes: tuple[str, str]) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in _ticks(*wide):
        at = float(_placed(np.array(tick), wide, LEFT, right))
        yield f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>' + _text(f"{tick:g}", at, bottom + 14, "x")
    for tick in _ticks(*high):
        at = float(_placed(np.array(tick), high, bottom, TOP))
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>' + _text(f"{tick:g}", LEFT - 6, at + 4, "y")
    yield _text(axes[0], (LEFT + right) / 2, HEIGHT - 4, "x")
    yield _text(axes[1], LEFT - 6, TOP - 10, "y")


def _text(text: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(text)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Some round numbers in between."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(number * step, 10) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _polylines(x: Array, y: Array, line: Line) -> str:
    every = max(1, math.ceil(len(y) / MOST_POINTS))
    x, y = x[::every], y[::every]
    path, pen = "", "M"
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(across) and math.isfinite(down):
            path += f"{pen}{across:.1f} {down:.1f}"
            pen = "L"
        else:
            pen = "M"
    return f'<path class="line" {_style(line)} d="{path}"><title>{html.escape(line.name)}</title></path>'


def _legend(number: int, line: Line) -> str:
    x, y = WIDTH - RIGHT + 10, TOP + 6 + 14 * number
    return f'<path class="line" {_style(line)} d="M{x} {y}h18"/>' + _text(line.name, x + 24, y + 4, "name")


def _style(line: Line) -> str:
    dashes = ' stroke-dasharray="5 3"' if line.dashed else ""
    return f'stroke="{line.colour}"{dashes}'
