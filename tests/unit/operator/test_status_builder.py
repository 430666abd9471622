"""When pods are read for why a rollout fails: not while it goes on."""

from dataclasses import replace

import pytest

from fairlead_operator.cache.workload_state import Rollout
from fairlead_operator.diagnosis.inspector import progresses

SEEN = Rollout("api", complete=False, failed="", available=False, replicas="0/1", refused="")
NOW = "2026-01-01T00:01:00Z"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (SEEN, True),
        (replace(SEEN, progressed_at="2026-01-01T00:00:59Z"), True),
        (replace(SEEN, progressed_at="2026-01-01T00:00:57Z"), False),
        (replace(SEEN, progressed_at="2026-01-01T00:00:59Z", refused="quota"), False),
        (replace(SEEN, progressed_at="2026-01-01T00:00:59Z", failed="out of time"), False),
    ],
    ids=["not looked at by its controller", "a second ago", "three seconds ago", "pods are refused", "out of time"],
)
def test_a_rollout_goes_on(seen: Rollout, *, expected: bool) -> None:
    assert progresses(seen, now=NOW) is expected


def test_the_time_of_progress_alone_is_no_news() -> None:
    assert replace(SEEN, progressed_at=NOW) == SEEN
