"""Runs a notebook's cells as Jupyter does: one after the other, in one namespace, inside a running event loop."""

import ast
import inspect
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from types import FunctionType
from typing import Any


def code_cells(path: Path) -> list[str]:
    """The sources of the cells with code."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


async def run_cells(sources: list[str]) -> list[str]:
    """What each cell prints. What a cell raises is raised."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    return [await _run(source, f"<cell {number}>", namespace) for number, source in enumerate(sources, 1)]


async def _run(source: str, name: str, namespace: dict[str, Any]) -> str:
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with redirect_stdout(io.StringIO()) as printed:
        result = FunctionType(code, namespace)()
        if inspect.isawaitable(result):
            await result
    return printed.getvalue()
