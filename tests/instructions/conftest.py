"""One run below callgrind for all tests, and its figures at the end of the output, whatever the tests say of them."""

import os
from dataclasses import dataclass

import pytest
from tests.instructions import callgrind, records
from tests.instructions.ratios import Ratio, Verdict, judge, ratios
from tests.instructions.records import Reference
from tests.instructions.windows import SIZES

PART = "instructions"
RECORD = ".venv/bin/python -m tests.instructions.record"
LINES = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True)
class Run:
    """What was counted, without and with a planted JSON encode, and what it is compared with."""

    clean: dict[str, Ratio]
    planted: dict[str, Ratio]
    reference: Reference

    def verdicts(self) -> list[Verdict]:
        return [judge(case, ratio.value, self.reference) for case, ratio in self.clean.items()]


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The counts of this run. Skipped only when asked for by name."""
    if PART in os.environ.get("FAIRLEAD_SKIP", "").split():
        pytest.skip(f"FAIRLEAD_SKIP names {PART}: nothing guards the request path in this run")
    try:
        counts = callgrind.measure()
    except callgrind.NoValgrind:
        pytest.fail(
            "valgrind is not installed: instructions cannot be counted. Install it, or leave this part out with"
            f" FAIRLEAD_SKIP={PART} where it cannot be had (macOS)",
            pytrace=False,
        )
    reference = records.find(records.load(), records.surroundings())
    found = Run(ratios(counts, "clean", SIZES), ratios(counts, "planted", SIZES), reference)
    request.config.stash[LINES] = _lines(found)
    return found


def _lines(run: Run) -> list[str]:
    lines = [f"{verdict}, windows vary by {run.clean[verdict.case].variation:.2%}" for verdict in run.verdicts()]
    shrank = [verdict.case for verdict in run.verdicts() if verdict.shrank]
    if not run.reference.exact:
        bound = run.verdicts()[0].bound
        lines.append(f"no record for {records.surroundings()}: compared with {run.reference.surroundings},")
        lines.append(f"bound {bound:.0%} instead of the case's own; make a record here with {RECORD}")
    elif shrank:
        lines.append(f"less than on record: {', '.join(shrank)}; keep the gain with {RECORD}")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures, for passed tests too."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("instructions per request")
        terminalreporter.write("\n".join([*lines, ""]))
