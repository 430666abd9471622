"""Marks: remembered for a while, bounded in number."""

import pytest

from fairlead_workload.caches.marks import Marks


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


def marks(clock: list[float], limit: int = 10) -> Marks:
    return Marks(5, clock=lambda: clock[0], limit=limit)


def test_a_mark_lasts_for_its_time_after_the_last_set(clock: list[float]) -> None:
    notes = marks(clock)
    notes.set("a", 1)
    clock[0] = 4
    notes.set("a", 1)
    clock[0] = 8
    assert notes.get("a") == 1
    clock[0] = 9
    assert notes.get("a") is None


def test_the_larger_value_stays(clock: list[float]) -> None:
    notes = marks(clock)
    notes.set("a", 7)
    notes.set("a", 3)
    assert notes.get("a") == 7


def test_an_expired_value_does_not_come_back(clock: list[float]) -> None:
    notes = marks(clock)
    notes.set("a", 7)
    clock[0] = 6
    notes.set("a", 3)
    assert notes.get("a") == 3


def test_the_oldest_goes_when_there_is_no_room(clock: list[float]) -> None:
    notes = marks(clock, limit=2)
    for key in "abc":
        notes.set(key, 1)
    assert [notes.get(key) for key in "abc"] == [None, 1, 1]


def test_dropping_forgets(clock: list[float]) -> None:
    notes = marks(clock)
    notes.set("a", 1)
    notes.drop("a")
    notes.drop("never there")
    assert notes.get("a") is None
