"""Counts of people who are followed, missed and mixed up."""

import numpy as np
import pytest

from model.values import Person, Pose, Region, RegionSource
from tests.support.dots import person
from training.evaluation.identities import Identities, TruePerson, identities

LEFT, RIGHT = (10.0, 10.0), (200.0, 10.0)


def _true(identity: int, corner: tuple[float, float], visible: bool = True) -> TruePerson:
    return TruePerson(identity, person(*corner, 100), 6000.0, visible)


def _read(track_id: int, corner: tuple[float, float]) -> Person:
    pose = Pose(person(*corner, 100).astype(np.float32), np.ones(13, np.float32))
    return Person(track_id, 1.0, Region(0, 0, 10, 10), RegionSource.TRACKED, pose)


BOTH = [_true(0, LEFT), _true(1, RIGHT)]


def test_people_who_keep_their_numbers_are_all_right() -> None:
    """Whatever the numbers are."""
    read = [[_read(7, LEFT), _read(3, RIGHT)]] * 4
    figures = identities([BOTH] * 4, read)
    assert (figures, figures.idf1) == (Identities(8, 0, 0, 0, 8), 1.0)


def test_an_exchange_of_numbers_is_a_switch_for_each() -> None:
    """Half of the frames are then under a wrong number."""
    read = [[_read(1, LEFT), _read(2, RIGHT)]] * 2 + [[_read(2, LEFT), _read(1, RIGHT)]] * 2
    figures = identities([BOTH] * 4, read)
    assert (figures, figures.idf1) == (Identities(8, 0, 0, 2, 4), 0.5)


def test_missed_and_false_people_are_told_apart() -> None:
    """Somebody read where nobody is stands in for nobody."""
    read = [[_read(1, LEFT), _read(2, (400.0, 10.0))]]
    figures = identities([BOTH], read)
    assert (figures, figures.idf1) == (Identities(2, 1, 1, 0, 1), 0.5)


def test_a_second_reading_of_one_person_is_false() -> None:
    """One of the two is the person."""
    figures = identities([[_true(0, LEFT)]], [[_read(1, LEFT), _read(2, LEFT)]])
    assert (figures.missed, figures.false) == (0, 1)


def test_hidden_people_do_not_count() -> None:
    """Neither as missed nor, where somebody reads them all the same, as false."""
    there = [_true(0, LEFT), _true(1, RIGHT, visible=False)]
    figures = identities([there] * 2, [[_read(1, LEFT)], [_read(1, LEFT), _read(2, RIGHT)]])
    assert (figures, figures.idf1) == (Identities(2, 0, 0, 0, 2), 1.0)


@pytest.mark.parametrize("people", [[], [_read(1, LEFT)]])
def test_an_empty_scene_has_no_identities(people: list[Person]) -> None:
    """And no division by nothing."""
    figures = identities([[]], [people])
    assert (figures, figures.idf1) == (Identities(0, 0, len(people), 0, 0), 0.0)


def test_clips_add_up_to_one_figure() -> None:
    """Each clip's people have numbers of their own."""
    straight, crossed = [[_read(1, LEFT), _read(2, RIGHT)]], [[_read(2, LEFT), _read(1, RIGHT)]]
    both = identities([BOTH], straight) + identities([BOTH], crossed)
    assert (both, both.idf1) == (Identities(4, 0, 0, 0, 4), 1.0)
