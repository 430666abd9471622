"""How runs are ordered and what is said of their ratios. Pure.

Decided here: sides are measured in turn, and every second round in reverse, so that a machine that slowly gets faster
or slower favours nobody (A B B A). A figure is the median of the rounds with the 95 % interval of the median, taken
from the ranks of the values: it needs no assumption about how they are distributed, but at least six of them. With
fewer, the smallest and the largest are given.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the ends of its interval. Without `sure` there were too few values: smallest and largest."""

    median: float
    low: float
    high: float
    sure: bool

    def text(self, form: str = ".2f") -> str:
        """Such as `0.44 (0.42-0.47)`."""
        return f"{self.median:{form}} ({self.low:{form}}-{self.high:{form}})"


def turns(rounds: int, sides: Sequence[str]) -> Iterator[Sequence[str]]:
    """The order of the sides in each round."""
    for number in range(rounds):
        yield sides if number % 2 == 0 else sides[::-1]


def measure(rounds: int, sides: Mapping[str, Callable[[], T]]) -> list[dict[str, T]]:
    """What each round gave for each side."""
    return [{side: sides[side]() for side in order} for order in turns(rounds, list(sides))]


def spread(values: Sequence[float]) -> Spread:
    """The median of at least one value, with its interval."""
    ordered = sorted(values)
    rank = interval_rank(len(ordered))
    place = max(rank, 1)
    return Spread(statistics.median(ordered), ordered[place - 1], ordered[-place], sure=rank > 0)


def interval_rank(count: int) -> int:
    """k: the k-th smallest and k-th largest of `count` values enclose the median with CONFIDENCE. 0: there is none."""
    rank, outside = 0, 0.0
    while True:
        outside += math.comb(count, rank) / 2**count
        if 2 * outside > 1 - CONFIDENCE:
            return rank
        rank += 1


def described(count: int) -> str:
    """What the ends of a `spread` of so many values are."""
    return "95 % interval of the median" if interval_rank(count) else "smallest-largest"


def verdict(found: Spread, goal: float, *, at_most: bool = False) -> str:
    """Whether a goal is met. That is open when it lies within the spread, or when there is no interval."""
    if not found.sure:
        return "too few rounds"
    low, high = (-found.high, -found.low) if at_most else (found.low, found.high)
    goal = -goal if at_most else goal
    return "met" if low >= goal else "missed" if high < goal else "within the spread"
