"""One run below callgrind for all tests; its figures are printed at the end of the output."""

import pytest
from tests.instructions import callgrind, records, runs
from tests.instructions.runs import Run
from tests.left_out import skip_if_left_out
from tests.summary import LINES

PART = "instructions"
RECORD = ".venv/bin/python -m tests.instructions.record"


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The counts of this run. Skipped only when asked for by name."""
    skip_if_left_out(PART, "nothing guards the request path in this run")
    try:
        found = runs.run(records.find(records.load(), records.surroundings()))
    except callgrind.NoValgrind:
        pytest.fail(
            "valgrind is not installed: instructions cannot be counted. Install it, or leave this part out with"
            f" FAIRLEAD_SKIP={PART} where it cannot be had (macOS)",
            pytrace=False,
        )
    request.config.stash[LINES] += _lines(found)
    return found


def _lines(run: Run) -> list[str]:
    lines = [
        f"instructions per request: {verdict}, windows vary by {run.clean[verdict.case].variation:.2%}"
        for verdict in run.verdicts()
    ]
    if run.layouts > 1:
        lines.append(f"the lowest of {run.layouts} layouts of memory, for the first showed a growth")
    shrank = [verdict.case for verdict in run.verdicts() if verdict.shrank]
    if not run.reference.exact:
        bound = run.verdicts()[0].bound
        lines.append(f"no record for {records.surroundings()}: compared with {run.reference.surroundings},")
        lines.append(f"bound {bound:.0%} instead of the case's own; make a record here with {RECORD}")
    elif shrank:
        lines.append(f"less than on record: {', '.join(shrank)}; keep the gain with {RECORD}")
    return lines
