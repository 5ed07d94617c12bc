"""docs/client.ipynb runs, and finds the person in the demo clip."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.demo.server import Address, running_service
from tests.support.notebook import code_cells, run_cells

NOTEBOOK = Path(__file__).parents[2] / "docs" / "client.ipynb"


@pytest.fixture
def address() -> Iterator[Address]:
    """A server in a process of its own, as a notebook's is."""
    with running_service() as address:
        yield address


@pytest.mark.slow
async def test_the_notebook_streams_the_demo_clip(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP and gRPC, awaiting and blocking, in a running event loop; joints are some pixels from the truth."""
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.setenv("KINEPOSE_HTTP", address.http_url)
    monkeypatch.setenv("KINEPOSE_GRPC", address.grpc_target)

    printed = "".join(await run_cells(code_cells(NOTEBOOK)))

    assert "same joints over both: True" in printed
    [distance] = re.findall(r"from the truth: ([\d.]+) px", printed)
    assert float(distance) < 10


def test_the_outputs_in_the_notebook_are_small() -> None:
    """Nobody reviews megabytes of pictures."""
    assert NOTEBOOK.stat().st_size < 20_000
    assert all(cell.get("outputs") for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code")
