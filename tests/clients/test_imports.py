"""What the Python client loads."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kinepose_client

PACKAGE = Path(kinepose_client.__file__).parent
MODULES = {"httpx": "httpx", "grpcio": "grpc", "protobuf": "google", "numpy": "numpy"}
"""What each dependency is imported as."""


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level modules that a file imports when it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def loaded(statement: str) -> set[str]:
    """Top-level modules there are after it, in a Python of its own."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split())


def test_the_client_needs_nothing_of_the_service() -> None:
    """Nor its web stack: it starts quickly, on any machine."""
    found = loaded("from kinepose_client import AsyncClient, Client, to_dataframe, to_supervision")

    assert {"kinepose_client", "grpc", "httpx"} <= found
    assert not {"torch", "openvino", "fastapi", "cv2", "pydantic", "model", "service", "pandas", "supervision"} & found


def test_the_client_declares_what_it_imports() -> None:
    """And no more: who installs it gets four packages and what these need."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=]", one)[0] for one in project["dependencies"]}
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py"))
    names = {name for tree in trees for name in imported(tree)} - {*sys.stdlib_module_names, "kinepose_client"}

    assert declared == MODULES.keys()
    assert names == set(MODULES.values())


def test_values_alone_load_no_transport() -> None:
    """The model uses them."""
    assert not {"grpc", "httpx", "google"} & loaded("from kinepose_client.values import Region")


@pytest.mark.parametrize("name", kinepose_client.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """They are loaded on demand."""
    assert getattr(kinepose_client, name).__name__ == name
    assert name in dir(kinepose_client)


def test_another_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="client_of_the_day"):
        _ = kinepose_client.client_of_the_day
