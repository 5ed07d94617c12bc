"""Items made ahead, in another thread."""

import threading
from collections.abc import Generator

import pytest

from service.clips.ahead import ahead_of


def test_items_come_in_their_order() -> None:
    """All of them, and then the end."""
    with ahead_of((n for n in range(20)), 3) as items:
        assert list(items) == list(range(20))
        assert list(items) == []


def test_no_more_are_made_than_there_is_room_for() -> None:
    """An item that nobody asks for holds back those behind it."""
    made: list[int] = []
    full = threading.Event()

    def numbers() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            if number == 2:
                full.set()
            yield number

    with ahead_of(numbers(), 3):
        assert full.wait(10)
    assert made == [0, 1, 2]


def test_an_error_comes_at_its_place() -> None:
    """What was made before it is given first."""

    def broken() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise ValueError("broken")

    with ahead_of(broken(), 5) as items:
        assert [next(items), next(items)] == [1, 2]
        for _ in range(2):
            with pytest.raises(ValueError, match="broken"):
                next(items)


def test_whoever_leaves_early_finds_it_closed_in_its_own_thread() -> None:
    """A clip must not be closed while it is decoded."""
    closed_in: list[threading.Thread] = []

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread())

    with ahead_of(endless(), 2) as items:
        next(items)
    assert len(closed_in) == 1
    assert closed_in[0] is not threading.current_thread()
    assert not closed_in[0].is_alive()
