"""Repair of presentation times."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.media.timestamps import Timestamps

MILLISECONDS = Fraction(1, 1000)


def repaired(*pts: int | None, rate: int | None = 25) -> list[int]:
    """What a clip with these times in milliseconds gets."""
    clock = Timestamps(MILLISECONDS, None if rate is None else Fraction(rate))
    return [clock.next_us(value) for value in pts]


def test_good_times_pass_through_with_their_offset_and_their_rate() -> None:
    """A variable frame rate stays one, and a clip that starts late starts late."""
    assert repaired(80, 90, 200, 201) == [80_000, 90_000, 200_000, 201_000]


def test_times_before_zero_are_kept() -> None:
    """An edited MP4 may start before its own zero."""
    assert repaired(-40, 0, 40) == [-40_000, 0, 40_000]


def test_missing_times_follow_their_neighbour_at_the_declared_rate() -> None:
    """One missing between two good ones lands between them."""
    assert repaired(100, None, 180) == [100_000, 140_000, 180_000]


def test_a_stream_without_times_counts_frames_from_zero() -> None:
    """Raw H.264 has none at all; without a rate 25 a second are taken."""
    assert repaired(None, None, None, rate=None) == [0, 40_000, 80_000]


def test_a_repeated_time_moves_one_microsecond() -> None:
    """The times after it are still true."""
    assert repaired(0, 40, 40, 80) == [0, 40_000, 40_001, 80_000]


def test_a_jump_backwards_moves_all_that_follows() -> None:
    """Two recordings joined: the second goes on one frame after the first."""
    assert repaired(5000, 5040, 0, 40, 80) == [5_000_000, 5_040_000, 5_080_000, 5_120_000, 5_160_000]


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=50))
def test_times_always_increase(pts: list[int | None]) -> None:
    """Whatever a file says."""
    times = repaired(*pts)

    assert all(earlier < later for earlier, later in pairwise(times))
