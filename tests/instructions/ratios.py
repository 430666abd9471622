"""From counts to ratios: instructions of a request, per those of one turn of the calibrated loop. Pure.

Decided here: the median of the windows stands for a case, so that one with a checkpoint of SQLite in it does not; and
what a run comes to against the record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from tests.instructions.callgrind import Count
from tests.instructions.records import Reference

CASES = ("get", "post", "event")
# As a share of the ratio on record: half of what one more JSON encode of the request's document costs (3 %), and five
# times what the layout of memory adds.
BOUND = 0.015
# Against the record of other surroundings. CPython 3.11 to 3.13, compiled with -O2 and -O3, are 7 % apart.
FOREIGN_BOUND = 0.1


@dataclass(frozen=True, slots=True)
class Ratio:
    """One case of one run. `variation` is the coefficient of variation over its windows."""

    value: float
    variation: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ratio against the one on record. `change` and `bound` are shares of the latter."""

    case: str
    value: float
    change: float
    bound: float

    @property
    def grew(self) -> bool:
        return self.change > self.bound

    @property
    def shrank(self) -> bool:
        return self.change < -self.bound

    def __str__(self) -> str:
        return f"{self.case}: {self.value:.4f} turns, {self.change:+.2%} of the record, bound {self.bound:.2%}"


def ratios(counts: Sequence[Count], kind: str, sizes: Mapping[str, int]) -> dict[str, Ratio]:
    """The ratios of all cases, from the windows of one kind (`clean` or `planted`)."""
    turn = median(_windows(counts, "clean", "calibration")) / sizes["calibration"]
    found = {case: _windows(counts, kind, case) for case in CASES}
    return {
        case: Ratio(median(windows) / sizes[case] / turn, pstdev(windows) / fmean(windows))
        for case, windows in found.items()
    }


def lowest(found: Sequence[Mapping[str, Ratio]]) -> dict[str, Ratio]:
    """The lowest ratio of each case."""
    return {case: min((ratios[case] for ratios in found), key=lambda ratio: ratio.value) for case in found[0]}


def judge(case: str, value: float, reference: Reference) -> Verdict:
    """`value` against the record."""
    bound = BOUND if reference.exact else FOREIGN_BOUND
    return Verdict(case, value, value / reference.ratios[case] - 1, bound)


def _windows(counts: Sequence[Count], kind: str, case: str) -> list[int]:
    return [count.instructions for count in counts if count.name == f"{kind} {case}"]
