"""The short run of the suite; `python -m tests.chaos.run` is the long one."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.chaos import Chaos, unleash
from tests.chaos.figures import show
from tests.chaos.plan import Disturbance, Kind, Shape, make_plan

SEED, SECONDS = 7, 12.0
SHAPE = Shape(streams=8, frontends=2, workers=2)
SETTINGS = {"hold_lease_s": "3", "worker_lease_s": "1"}


@pytest.mark.slow
async def test_streams_outlive_everything_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Workers, frontends and Redis end, clients leave: each frame has one answer, and it is that of an unbroken run."""
    assert shutil.which("redis-server"), "redis-server is not installed; `make test` installs it"
    plan = make_plan(SEED, SECONDS, SHAPE)
    chaos = Chaos(SEED, SECONDS, SHAPE, plan, frames_per_s=2.0, settings=SETTINGS, people=(1, 2, 1, 3))
    figures = await unleash(chaos, tmp_path)

    show(figures, Console(width=120))  # seen where it fails
    assert figures.faults == []
    assert figures.answered == figures.sent > SHAPE.streams * 5
    assert set(figures.people) >= {1, 2}


@pytest.mark.slow
async def test_a_frame_that_ends_its_workers_ends_two_and_nobodys_stream(tmp_path: Path) -> None:
    """Over each transport: it is `poison`, its stream goes on from the state before it, and neighbours lose nothing."""
    assert shutil.which("redis-server"), "redis-server is not installed; `make test` installs it"
    poison = [Disturbance(1.0 + 4 * number, Kind.POISON, streams=(number,)) for number in range(4)]
    shape = Shape(streams=8, frontends=1, workers=3)
    figures = await unleash(Chaos(SEED, 18.0, shape, poison, frames_per_s=2.0, settings=SETTINGS), tmp_path)

    show(figures, Console(width=120))
    assert figures.faults == []
    assert figures.disturbances == {Kind.POISON: 4}
    assert figures.crashes > 4  # That there are no more than two for each time that one is sent, `faults` tells.
    assert figures.answered == figures.sent


@pytest.mark.slow
async def test_three_people_outlive_their_worker(tmp_path: Path) -> None:
    """Each worker is killed with -9 in the midst of a session: the same joints and numbers to the last bit."""
    assert shutil.which("redis-server"), "redis-server is not installed; `make test` installs it"
    kills = [Disturbance(1.0, Kind.KILL_WORKER, 0, 0.3), Disturbance(4.0, Kind.KILL_WORKER, 1, 0.3)]
    shape = Shape(streams=1, frontends=1, workers=2)
    figures = await unleash(Chaos(SEED, 6.0, shape, kills, frames_per_s=5.0, settings=SETTINGS, people=(3,)), tmp_path)

    show(figures, Console(width=120))
    assert figures.faults == []
    assert figures.disturbances == {Kind.KILL_WORKER: 2}
    assert figures.people[3] >= 0.9 * figures.answered
