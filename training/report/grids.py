"""Tables as values, which Markdown and HTML lay out each in its own way."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, and the group of columns that it stands in; text columns are set flush left."""

    name: str
    group: str = ""
    text: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row's name, what is said of it in small print, its cells, and whether it is a number of ours to be set off."""

    name: str
    cells: list[str]
    detail: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `corner` names the column of row names; every row has a cell for each column."""

    caption: str
    corner: str
    columns: list[Column]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of the report.

    Attributes:
        name: an identifier, for anchors; title: the heading.
        text: sentences before the tables; grids: the tables; remarks: what is to be known of single rows.
        drawn: a chart shows the same in HTML, where the tables are folded away.
    """

    name: str
    title: str
    text: str
    grids: list[Grid] = field(default_factory=list)
    drawn: bool = False
    remarks: tuple[str, ...] = ()
