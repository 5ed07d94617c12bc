"""The plan of a run."""

import pytest

from tests.chaos.plan import CLIENT_KINDS, FRONTEND_KINDS, WORKER_KINDS, Kind, Shape, make_plan

SHAPE = Shape(streams=40, frontends=2, workers=3)


def test_a_seed_gives_the_same_plan_again() -> None:
    """A run can be repeated; another seed is another run."""
    assert make_plan(1, 60, SHAPE) == make_plan(1, 60, SHAPE)
    assert make_plan(1, 60, SHAPE) != make_plan(2, 60, SHAPE)


@pytest.mark.parametrize("seconds", [12, 60])
@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_about_in_order_and_in_time(seed: int, seconds: float) -> None:
    """However short the run is."""
    plan = make_plan(seed, seconds, SHAPE, clock_jumps=True)

    assert {disturbance.kind for disturbance in plan} == set(Kind)
    times = [disturbance.at_s for disturbance in plan]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < seconds


def test_targets_are_there() -> None:
    """No plan means a process or a stream that the run has not."""
    for disturbance in make_plan(3, 600, SHAPE):
        if disturbance.kind in WORKER_KINDS:
            assert 0 <= disturbance.target < SHAPE.workers
        elif disturbance.kind in FRONTEND_KINDS:
            assert 0 <= disturbance.target < SHAPE.frontends
        elif disturbance.kind in CLIENT_KINDS:
            assert set(disturbance.streams) <= set(range(SHAPE.streams))
            assert disturbance.streams


def test_without_workers_none_is_killed() -> None:
    """Frontends that compute themselves are disturbed in all other ways."""
    kinds = {disturbance.kind for disturbance in make_plan(1, 60, Shape(4, 2, 0))}

    assert kinds == set(Kind) - {*WORKER_KINDS, Kind.POISON, Kind.JUMP_CLOCK}
