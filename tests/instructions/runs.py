"""How often is counted: once, and again in other layouts of memory before a growth is believed.

Decided here: where the interpreter's objects happen to lie costs up to 0.3 % (entries of its cache of attributes that
share a slot, pools that fill up just then), and every change of the code moves them. That only ever adds, so the
lowest of a few layouts is near what the code itself takes; a real growth is in all of them.
"""

from dataclasses import dataclass

from tests.instructions.callgrind import Count, measure
from tests.instructions.ratios import Ratio, Verdict, judge, lowest, ratios
from tests.instructions.records import Reference
from tests.instructions.windows import SIZES

LAYOUTS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What was counted, and what it is compared with. `first` is the first layout, `clean` the lowest of all."""

    first: dict[str, Ratio]
    planted: dict[str, Ratio]
    clean: dict[str, Ratio]
    layouts: int
    reference: Reference

    def verdicts(self) -> list[Verdict]:
        return [judge(case, ratio.value, self.reference) for case, ratio in self.clean.items()]


def run(reference: Reference) -> Run:
    """Count in one layout; in others too while it seems that a request takes more than on record."""
    counts = measure()
    first = _clean(counts)
    found = Run(first, ratios(counts, "planted", SIZES), first, 1, reference)
    while reference.exact and found.layouts < LAYOUTS and any(verdict.grew for verdict in found.verdicts()):
        clean = lowest([found.clean, _clean(measure(found.layouts))])
        found = Run(first, found.planted, clean, found.layouts + 1, reference)
    return found


def to_record() -> dict[str, Ratio]:
    """What to put on record: the lowest of all layouts."""
    return lowest([_clean(measure(layout)) for layout in range(LAYOUTS)])


def _clean(counts: list[Count]) -> dict[str, Ratio]:
    return ratios(counts, "clean", SIZES)
