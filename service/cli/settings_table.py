"""`kinepose settings`: every setting with its default and what it means, as Markdown; docs/settings.md is that."""

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, get_args

from pydantic_core import PydanticUndefined

from service.cli.settings import PREFIX
from service.config import MIB, Settings

BOUNDS: Final = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
HEAD: Final = (
    "# Settings\n\n"
    "Environment variables, read once when a command starts; `kinepose settings` prints this page. One that begins\n"
    "with `KINEPOSE_` and is not here is an error. Times end in `_S` (seconds) or `_MS` (milliseconds), sizes in\n"
    "`_BYTES` or `_PIXELS`.\n"
)


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the page."""
    print(page(), end="")


def page() -> str:
    """The page: a table a group of settings, in the order of the source."""
    return HEAD + "".join(_tables())


def _tables() -> Iterator[str]:
    meanings = _meanings()
    for title, names in _groups().items():
        yield f"\n## {title}\n\n| variable | default | values | meaning |\n|---|---|---|---|\n"
        yield from (_row(name, meanings.get(name, "")) for name in names)


def _groups() -> dict[str, list[str]]:
    """Names of settings by the comment that stands above them in the source."""
    groups: dict[str, list[str]] = {}
    comment: list[str] = []
    for line in inspect.getsource(Settings).splitlines():
        if line.startswith("    # "):
            comment.append(line.removeprefix("    # "))
        elif (field := re.match(r"    (\w+):", line)) and field.group(1) in Settings.model_fields:
            if comment:
                groups[" ".join(comment).partition(". ")[0].removesuffix(".").replace("`", "")] = []
                comment = []
            list(groups.values())[-1].append(field.group(1))
        elif line.strip():
            comment = []
    return groups


def _meanings() -> dict[str, str]:
    """The string below each setting that has one."""
    [settings] = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(settings, ast.ClassDef)
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in pairwise(settings.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def _row(name: str, meaning: str) -> str:
    field = Settings.model_fields[name]
    return f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {_values(field)} | {_cell(meaning)} |\n"


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, int) and value and value % MIB == 0:
        return f"{value // MIB} MiB"
    return f"`{value}`" if isinstance(value, str) and value else str(value)


def _values(field: Any) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = (
        f"{sign} {getattr(fact, bound)}"
        for fact in field.metadata
        for bound, sign in BOUNDS.items()
        if hasattr(fact, bound)
    )
    return ", ".join(bounds)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
