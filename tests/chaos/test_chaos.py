"""The short run of the suite; `python -m tests.chaos.run` is the long one."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.chaos import Chaos, unleash
from tests.chaos.figures import show
from tests.chaos.plan import Shape, make_plan

SEED, SECONDS = 7, 12.0
SHAPE = Shape(streams=8, frontends=2, workers=2)
SETTINGS = {"hold_lease_s": "3", "worker_lease_s": "1"}


@pytest.mark.slow
async def test_streams_outlive_everything_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Workers, frontends and Redis end, clients leave: each frame has one answer, and it is that of an unbroken run."""
    assert shutil.which("redis-server"), "redis-server is not installed; `make test` installs it"
    plan = make_plan(SEED, SECONDS, SHAPE)
    figures = await unleash(Chaos(SEED, SECONDS, SHAPE, plan, frames_per_s=2.0, settings=SETTINGS), tmp_path)

    show(figures, Console(width=120))  # seen where it fails
    assert figures.faults == []
    assert figures.answered == figures.sent > SHAPE.streams * 5
