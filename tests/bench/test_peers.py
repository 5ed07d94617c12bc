"""What the bench beside peers makes of its measurements."""

import numpy as np
import pytest

from tests.bench.peers.measure import Run, figures
from tests.bench.peers.movenet_reader import next_square, whole
from tests.bench.peers.table import table


def _run(frames: int, cpu_s: float, wall_s: float) -> Run:
    return Run(frames, cpu_s, 0.5, wall_s, 100.0, (0.01, 0.02))


def test_a_start_is_not_part_of_what_a_frame_costs() -> None:
    """A frame costs the slope between the clips; what is left of the short one is the start."""
    found = figures([(_run(300, 5.0, 4.0), _run(100, 3.0, 2.5))])
    assert found.cpu_ms == pytest.approx(10.0)
    assert found.wall_ms == pytest.approx(7.5)
    assert found.start_cpu_s == pytest.approx(2.0)


def test_figures_are_medians_of_rounds() -> None:
    """One round in which somebody else used the machine does not move them."""
    pairs = [(_run(200, cpu, 2.0), _run(100, 0.5, 1.0)) for cpu in (1.5, 9.0, 1.6)]
    found = figures(pairs)
    assert found.cpu_ms == pytest.approx(11.0)
    assert found.cpu_spread == pytest.approx((10.0, 85.0))


def test_ratios_are_of_the_reference_on_as_many_threads() -> None:
    """Each row is divided by the reference's row of the same number of threads."""
    one = {"cpu_ms": 20.0, "wall_ms": 20.0, "interval_p50_ms": 1, "interval_p99_ms": 2, "first_s": 1}
    rest = {"start_cpu_s": 1, "rss_mb": 100}
    runs = [
        {"name": "full", "threads": 1, **one, **rest},
        {"name": "full", "threads": 2, **one, **rest, "wall_ms": 10.0},
        {"name": "ours", "threads": 2, **one, **rest, "cpu_ms": 5.0, "wall_ms": 5.0},
    ]
    pck = {"ours": {"person": 91.0, "torso": 70.0}}
    lines = table({"reference": "full", "runs": runs, "pck": pck}).splitlines()
    assert lines[-1].startswith("| ours | 2 | 0.25 | 0.50 |")
    assert lines[-1].endswith("| 91.0 / 70.0 |")


def test_pck_alone_has_a_table_of_its_own() -> None:
    """Where nothing was timed, the table has names and PCK."""
    pck = {"ours": {"person": 91.0, "torso": 70.0}}
    assert table({"reference": "full", "runs": [], "pck": pck}).splitlines()[-1] == "| ours | 91.0 / 70.0 |"


def test_movenet_looks_at_the_whole_picture_when_it_sees_no_torso() -> None:
    """Without a shoulder and a hip the next square is the letterboxed picture."""
    assert next_square(np.zeros((17, 2)), np.zeros(17), 640, 360) == whole(640, 360)


def test_movenet_follows_the_joints() -> None:
    """With a torso, the next square lies about the middle of the hips."""
    xy = np.full((17, 2), 150.0)
    xy[[5, 6], 1] = 120.0
    square = next_square(xy, np.ones(17), 640, 360)
    assert (square.x, square.y) == (150.0, 150.0)
    assert square.side == pytest.approx(2 * 1.9 * 30)
