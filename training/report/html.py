"""The report as one self-contained page: nothing is loaded from anywhere, every text is escaped."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.report import charts, worst
from training.report.content import Content
from training.report.grids import Column
from training.report.sections import sections
from training.report.words import box_mode_name, conditions, percent, title
from training.report.worst import PictureSource, Shot


@dataclass(frozen=True, slots=True)
class _Card:
    """One of the worst clips."""

    name: str
    action: str
    box_mode: str
    pck: list[tuple[str, str]]
    shots: list[Shot]


def page(content: Content, pictures: PictureSource | None = None) -> str:
    """The whole page; with `pictures` the worst clips lie over their frames."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["spans"] = spans
    return environment.get_template("template.html.j2").render(
        title=title(content.head),
        head=content.head,
        conditions=conditions(content.head),
        tiles=_tiles(content),
        sections=sections(content),
        charts={
            "alpha": charts.curves_over_alpha(content),
            "occlusion": charts.occlusion_curves(content),
            "relation": charts.relation_map(content),
        },
        cards=_cards(content, pictures),
        notes=content.notes,
    )


def _tiles(content: Content) -> list[tuple[str, list[tuple[str, str]]]]:
    normalisers = content.head.normalisers
    return [
        (box_mode_name(mode), [(n, percent(table.mean.get(n))) for n in normalisers])
        for mode, table in content.modes.items()
    ]


def _cards(content: Content, pictures: PictureSource | None) -> list[_Card]:
    return [
        _Card(
            clip.name,
            clip.action,
            box_mode_name(clip.mode),
            [(n, percent(clip.pck.get(n))) for n in content.head.normalisers],
            worst.shots(content, clip, pictures),
        )
        for clip in content.worst
    ]


def spans(columns: list[Column]) -> list[tuple[str, int]]:
    """Groups of neighbouring columns and how many stand in each."""
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
