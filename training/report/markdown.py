"""The report as Markdown: the tables of the page, without its pictures."""

import re

from training.report.content import Content
from training.report.grids import Column, Grid, Row, Section
from training.report.sections import sections
from training.report.words import conditions, title


def text(content: Content) -> str:
    """The whole report; ends with a newline."""
    parts = [f"# {escape(title(content.head))}", _conditions(content), _command(content.head.command)]
    parts += [section_text(section) for section in sections(content)]
    if content.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in content.notes)]
    return "\n\n".join(parts) + "\n"


def escape(words: str) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no HTML, no table cell ends in it."""
    line = " ".join(words.split())
    line = re.sub(r"([\\`*_{}\[\]<>|#~$&!])", r"\\\1", line)
    line = re.sub(r"^([-+=])(?=[\s=-]|$)", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def _conditions(content: Content) -> str:
    rows = [Row(name, [value]) for name, value in conditions(content.head)]
    return _table(Grid("", "Measured", [Column("with", text=True)], rows))


def _command(command: str) -> str:
    """A code block whose fence is longer than any in the command."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{command}\n{fence}"


def section_text(section: Section) -> str:
    """A heading, its text, its tables and remarks."""
    parts = [f"## {escape(section.title)}", escape(section.text)]
    for grid in section.grids:
        parts += [f"*{escape(grid.caption)}*", _table(grid)]
    parts.append("\n".join(f"- {escape(remark)}" for remark in section.remarks))
    return "\n\n".join(part for part in parts if part)


def _table(grid: Grid) -> str:
    columns = [f"{column.group}: {column.name}" if column.group else column.name for column in grid.columns]
    rules = ["---", *("---" if column.text else "---:" for column in grid.columns)]
    lines = [_line([escape(c) for c in (grid.corner, *columns)]), f"|{'|'.join(rules)}|"]
    return "\n".join(lines + [_line(_cells(row)) for row in grid.rows])


def _cells(row: Row) -> list[str]:
    name = f"{row.name} ({row.detail})" if row.detail else row.name
    cells = [escape(cell) for cell in (name, *row.cells)]
    return [f"**{cell}**" if cell else "" for cell in cells] if row.ours else cells


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
