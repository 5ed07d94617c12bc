"""Repair of presentation times."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.media.timestamps import Timestamps

MILLISECONDS = Fraction(1, 1000)


def repaired(*pts: int | None, rate: int | None = 25, jumps: bool = False) -> list[int]:
    """What a clip with these times in milliseconds gets."""
    clock = Timestamps(MILLISECONDS, None if rate is None else Fraction(rate), jumps)
    return [clock.next_us(value) for value in pts]


@pytest.mark.parametrize("start", [0, 80, -40, 5_400_000])
def test_good_times_begin_at_0_and_keep_their_rate(start: int) -> None:
    """A variable frame rate stays one; where the clip's own clock stood, before its zero or hours after, is told."""
    clock = Timestamps(MILLISECONDS, Fraction(25))

    assert [clock.next_us(start + later) for later in (0, 10, 120, 121)] == [0, 10_000, 120_000, 121_000]
    assert clock.start_us == start * 1000


def test_missing_times_follow_their_neighbour_at_the_declared_rate() -> None:
    """One missing between two good ones lands between them."""
    assert repaired(100, None, 180) == [0, 40_000, 80_000]


def test_a_stream_without_times_counts_frames_from_zero() -> None:
    """Raw H.264 has none at all; without a rate 25 a second are taken."""
    assert repaired(None, None, None, rate=None) == [0, 40_000, 80_000]


def test_a_repeated_time_moves_one_microsecond() -> None:
    """The times after it are still true."""
    assert repaired(0, 40, 40, 80) == [0, 40_000, 40_001, 80_000]


def test_a_jump_backwards_moves_all_that_follows() -> None:
    """Two recordings joined: the second goes on one frame after the first."""
    assert repaired(5000, 5040, 0, 40, 80) == [0, 40_000, 80_000, 120_000, 160_000]


def test_a_clock_that_may_jump_and_jumps_ahead_goes_on_one_frame_later() -> None:
    """A day lies between two recordings that were joined, and nothing in it."""
    assert repaired(0, 40, 86_400_000, 86_400_040, jumps=True) == [0, 40_000, 80_000, 120_000]


def test_a_pause_is_no_jump() -> None:
    """Ten minutes between the pictures of a time-lapse, where a container's clock does not jump; seconds anywhere."""
    assert repaired(0, 600_000, 1_200_000) == [0, 600_000_000, 1_200_000_000]
    assert repaired(0, 9_000, 18_000, jumps=True) == [0, 9_000_000, 18_000_000]


def test_pictures_that_are_lost_take_their_time() -> None:
    """A minute of damage is a minute, also where the clock may jump."""
    clock = Timestamps(MILLISECONDS, Fraction(25), jumps=True)
    clock.next_us(0)

    assert clock.next_us(60_000, after_loss=True) == 60_000_000


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=50))
def test_times_always_increase(pts: list[int | None]) -> None:
    """Whatever a file says."""
    for jumps in (False, True):
        times = repaired(*pts, jumps=jumps)

        assert times[:1] in ([], [0])
        assert all(earlier < later for earlier, later in pairwise(times))
