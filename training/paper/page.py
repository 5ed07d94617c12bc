"""The reproduction as a page: Markdown for the repository, and one HTML file that loads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from training.report import charts as report_charts
from training.report.grids import Section
from training.report.html import spans
from training.report.markdown import escape, section_text

NAME = "index"
_TITLE = "The KIMNet paper, run"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: of its file; title: the heading; words: what is to be seen.
        charts: lines and maps, as SVG; picture: a PNG beside the page, by its file's name, "" where there is none.
    """

    name: str
    title: str
    words: str
    charts: tuple[report_charts.Chart, ...] = ()
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What is written.

    Attributes:
        intro: paragraphs; command: that makes it again.
        sections: tables, in order; figures: after them; notes: at the end.
    """

    intro: Sequence[str]
    command: str
    sections: Sequence[Section]
    figures: Sequence[Figure] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)


def write(page: Page, folder: Path) -> list[Path]:
    """Both files into a folder; charts as SVG files beside them, for Markdown. The same page gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{NAME}.md": markdown(page), f"{NAME}.html": html(page)}
    for figure in page.figures:
        for number, chart in enumerate(figure.charts, start=1):
            texts[_chart_file(figure, number)] = report_charts.alone(chart)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def markdown(page: Page) -> str:
    """The page for a repository."""
    parts = [f"# {_TITLE}", *map(escape, page.intro), f"```sh\n{page.command}\n```"]
    parts += [section_text(section) for section in page.sections]
    parts += [_figure_text(figure) for figure in page.figures]
    if page.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in page.notes)]
    return "\n\n".join(parts) + "\n"


def html(page: Page) -> str:
    """The same page by itself; pictures lie beside it."""
    report = Path(report_charts.__file__).parent
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, report]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["spans"] = spans
    text: str = environment.get_template("page.html.j2").render(title=_TITLE, page=page, svg=_markup)
    return text


def _figure_text(figure: Figure) -> str:
    files = [_chart_file(figure, number) for number in range(1, len(figure.charts) + 1)]
    files += [figure.picture] if figure.picture else []
    images = "\n".join(f"![{escape(figure.title)}]({file})" for file in files)
    return f"## {escape(figure.title)}\n\n{escape(figure.words)}\n\n{images}"


def _chart_file(figure: Figure, number: int) -> str:
    return f"{figure.name}-{number}.svg"


def _markup(chart: report_charts.Chart) -> Markup:
    return chart.svg
