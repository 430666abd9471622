"""Which cases of the long matrices a run takes: a third that rotates with the commit, or all (`make test-thorough`).

A test is one case of a matrix by the marker `thorough`; a test that goes through a matrix by itself picks its cases
from the fixture `share`. Three commits in a row meet every case.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
THIRDS = 3
VARIABLE = "FAIRLEAD_TEST_THIRD"


@dataclass
class Tally:
    """How many cases there are, and how many of them run."""

    ran: int = 0
    total: int = 0


class Share:
    """The cases of this run. `third` is 0, 1 or 2, or None for all."""

    def __init__(self, third: int | None) -> None:
        self.third = third
        self.tests = Tally()  # cases that are tests: known when they are collected
        self.cases = Tally()  # cases inside of tests: known when these have run

    def pick(self, cases: Sequence[T]) -> list[T]:
        """Those that run, of the cases that one test goes through."""
        return self._pick(cases, self.cases)

    def pick_tests(self, tests: Sequence[T]) -> list[T]:
        """Those that run, of the tests that are collected."""
        return self._pick(tests, self.tests)

    def _pick(self, cases: Sequence[T], tally: Tally) -> list[T]:
        picked = list(cases) if self.third is None else list(cases[self.third :: THIRDS])
        tally.ran += len(picked)
        tally.total += len(cases)
        return picked

    def __str__(self) -> str:
        ran, total = self.tests.ran + self.cases.ran, self.tests.total + self.cases.total
        which = "all" if self.third is None else f"third {self.third + 1} of {THIRDS}, which rotates with the commit"
        return f"thorough cases: ran {ran} / {total} ({which})"


def third_of_commit() -> int:
    """The third that this commit runs; the environment variable FAIRLEAD_TEST_THIRD (1 to 3) names another."""
    if chosen := os.environ.get(VARIABLE):
        if chosen not in {"1", "2", "3"}:
            raise ValueError(f"{VARIABLE} is {chosen!r}; it must be 1, 2 or 3")
        return int(chosen) - 1
    if _git("rev-parse", "--is-shallow-repository") == "true":  # it does not know how many commits there are
        return int(_git("rev-parse", "HEAD"), 16) % THIRDS
    return int(_git("rev-list", "--count", "HEAD") or 0) % THIRDS


def _git(*arguments: str) -> str:
    """What git prints; nothing outside of a work tree, or without git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
