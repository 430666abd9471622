"""A number per key: kept for a while, bounded in count."""

import pytest

from fairlead_workload.caches.ttl_map import TtlMap


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


def numbers(clock: list[float], limit: int = 10) -> TtlMap:
    return TtlMap(5, clock=lambda: clock[0], limit=limit)


def test_a_number_lasts_for_its_time_after_the_last_set(clock: list[float]) -> None:
    kept = numbers(clock)
    kept.set("a", 1)
    clock[0] = 4
    kept.set("a", 1)
    clock[0] = 8
    assert kept.get("a") == 1
    clock[0] = 9
    assert kept.get("a") is None


def test_the_larger_value_stays(clock: list[float]) -> None:
    kept = numbers(clock)
    kept.set("a", 7)
    kept.set("a", 3)
    assert kept.get("a") == 7


def test_an_expired_value_does_not_come_back(clock: list[float]) -> None:
    kept = numbers(clock)
    kept.set("a", 7)
    clock[0] = 6
    kept.set("a", 3)
    assert kept.get("a") == 3


def test_the_oldest_goes_when_there_is_no_room(clock: list[float]) -> None:
    kept = numbers(clock, limit=2)
    for key in "abc":
        kept.set(key, 1)
    assert [kept.get(key) for key in "abc"] == [None, 1, 1]


def test_dropping_forgets(clock: list[float]) -> None:
    kept = numbers(clock)
    kept.set("a", 1)
    kept.drop("a")
    kept.drop("never there")
    assert kept.get("a") is None
