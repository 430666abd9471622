"""The order of runs, and what is said of their ratios."""

import math

import pytest
from bench import pairs
from bench.pairs import Spread


def test_sides_are_measured_a_b_b_a() -> None:
    ran: list[str] = []

    def side(name: str) -> str:
        ran.append(name)
        return name.lower()

    found = pairs.measure(4, {"A": lambda: side("A"), "B": lambda: side("B")})
    assert ran == ["A", "B", "B", "A", "A", "B", "B", "A"]
    assert found == [{"A": "a", "B": "b"}] * 4


def test_a_third_side_is_beside_a_in_every_round() -> None:
    assert [list(order) for order in pairs.turns(2, ["floor", "A", "B"])] == [["floor", "A", "B"], ["B", "A", "floor"]]


@pytest.mark.parametrize("count", [6, 7, 10, 11, 20, 51])
def test_the_interval_encloses_the_median_with_95_percent_and_no_narrower_one_does(count: int) -> None:
    rank = pairs.interval_rank(count)
    assert _confidence(count, rank) >= 0.95 > _confidence(count, rank + 1)


def _confidence(count: int, rank: int) -> float:
    """The chance that the median lies between the rank-th smallest and the rank-th largest of `count` values."""
    return 1 - 2 * sum(math.comb(count, below) for below in range(rank)) / 2**count


def test_ten_values_have_an_interval_without_the_outermost() -> None:
    found = pairs.spread([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert found == Spread(5.5, 2, 9, sure=True)
    assert found.text(".1f") == "5.5 (2.0-9.0)"
    assert pairs.described(10) == "95 % interval of the median"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_too_few_values_have_their_extremes_and_say_so(count: int) -> None:
    values = [float(value) for value in range(1, count + 1)]
    found = pairs.spread(values)
    assert (found.low, found.high, found.sure) == (1.0, float(count), False)
    assert pairs.described(count) == "smallest-largest"


@pytest.mark.parametrize(
    ("found", "at_most", "expected"),
    [
        (Spread(0.80, 0.76, 0.84, sure=True), False, "met"),
        (Spread(0.80, 0.74, 0.84, sure=True), False, "within the spread"),
        (Spread(0.70, 0.66, 0.74, sure=True), False, "missed"),
        (Spread(0.70, 0.66, 0.74, sure=True), True, "met"),
        (Spread(0.76, 0.74, 0.78, sure=True), True, "within the spread"),
        (Spread(0.80, 0.78, 0.84, sure=True), True, "missed"),
        (Spread(0.80, 0.80, 0.80, sure=False), False, "too few rounds"),
    ],
)
def test_a_goal_is_met_only_outside_the_spread(found: Spread, at_most: bool, expected: str) -> None:
    assert pairs.verdict(found, 0.75, at_most=at_most) == expected
