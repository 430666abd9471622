"""A request takes no more instructions than on record; one more JSON encode in its path would be noticed."""

import pytest
from tests.instructions.conftest import RECORD
from tests.instructions.ratios import BOUND, CASES, judge
from tests.instructions.runs import Run

pytestmark = pytest.mark.xdist_group("instructions")  # counted once


def check(case: str, run: Run) -> None:
    verdict = judge(case, run.clean[case].value, run.reference)
    assert not verdict.grew, f"{verdict}. If the change is worth that, record it: {RECORD}"


def test_a_cached_get_takes_no_more_instructions(run: Run) -> None:
    check("get", run)


def test_an_accepted_post_takes_no_more_instructions(run: Run) -> None:
    check("post", run)


def test_an_event_with_a_set_step_takes_no_more_instructions(run: Run) -> None:
    check("event", run)


@pytest.mark.parametrize("case", CASES)
def test_one_more_json_encode_would_be_noticed(case: str, run: Run) -> None:
    share = run.planted[case].value / run.first[case].value - 1
    assert share > BOUND, f"{case}: one more JSON encode costs {share:.2%}, the bound is {BOUND:.2%}"
