"""When a change of a child leads to a pass over its ApiService."""

from dataclasses import replace

import pytest

from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import JobEnd, Rollout, Scaler
from fairlead_operator.controller.wakeups import Wakeup, frees_rollout, wakeup
from fairlead_operator.diagnosis.autoscaling import PATIENCE_SECONDS
from fairlead_operator.status.writer import DETAIL_SECONDS

NOW = "2026-01-01T01:00:00Z"
LONG_AGO = "2026-01-01T00:00:00Z"
PLAIN = CachedChild("uid", 1, ("shop", "orders"), "owner", deleting=False, digest="a")
ROLLING = Rollout("api", complete=False, failed="", available=True, replicas="1/2", refused="")
DEPLOYMENT = replace(PLAIN, facts=ROLLING)
COMPLETE = replace(PLAIN, facts=replace(ROLLING, complete=True))
MORE_READY = replace(PLAIN, facts=replace(ROLLING, replicas="2/2"))
RUNNING = replace(PLAIN, facts=JobEnd("Running"))
SUCCEEDED = replace(PLAIN, facts=JobEnd("Succeeded"))
SCALES = replace(PLAIN, facts=Scaler("api"))
YOUNG_FAULT = replace(PLAIN, facts=Scaler("api", "no metrics", NOW))
OLD_FAULT = replace(PLAIN, facts=Scaler("api", "no metrics", LONG_AGO))

CASES: dict[str, tuple[CachedChild | None, CachedChild | None, Wakeup | None]] = {
    "it comes": (None, PLAIN, Wakeup()),
    "it goes": (PLAIN, None, Wakeup()),
    "another object has its name": (PLAIN, replace(PLAIN, uid="other"), Wakeup()),
    "somebody else owns it": (PLAIN, replace(PLAIN, owner_uid="other"), Wakeup()),
    "it belongs to another ApiService": (PLAIN, replace(PLAIN, owner=("shop", "other")), Wakeup()),
    "it is being deleted": (PLAIN, replace(PLAIN, deleting=True), Wakeup()),
    "somebody edits it": (PLAIN, replace(PLAIN, digest="b"), Wakeup()),
    "another version of the same": (PLAIN, replace(PLAIN, version=2), None),
    "a rollout makes no step": (DEPLOYMENT, replace(DEPLOYMENT, version=2), None),
    "more pods are ready": (DEPLOYMENT, MORE_READY, Wakeup(DETAIL_SECONDS)),
    "a rollout is complete": (DEPLOYMENT, COMPLETE, Wakeup()),
    "a Job runs": (None, RUNNING, Wakeup()),
    "a Job ends": (RUNNING, SUCCEEDED, Wakeup(urgent=True)),
    "a Job has ended already": (None, SUCCEEDED, Wakeup(urgent=True)),
    "a Job goes while it runs": (RUNNING, None, Wakeup(urgent=True)),
    "an autoscaler has no metrics yet": (SCALES, YOUNG_FAULT, Wakeup(PATIENCE_SECONDS)),
    "an autoscaler fails for long": (SCALES, OLD_FAULT, Wakeup(0.0)),
    "a short fault of an autoscaler goes": (YOUNG_FAULT, SCALES, None),
    "a long fault of an autoscaler goes": (OLD_FAULT, SCALES, Wakeup(0.0)),
    "an autoscaler with a fault is edited": (SCALES, replace(YOUNG_FAULT, digest="b"), Wakeup()),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_what_a_change_leads_to(before: CachedChild | None, after: CachedChild | None, expected: Wakeup | None) -> None:
    assert wakeup(before, after, is_fault_reported=lambda: False, now=NOW) == expected


def test_a_fault_that_the_status_reports_is_looked_at_when_anything_of_it_changes() -> None:
    assert wakeup(YOUNG_FAULT, SCALES, is_fault_reported=lambda: True, now=NOW) == Wakeup(0.0)
    assert wakeup(SCALES, YOUNG_FAULT, is_fault_reported=lambda: True, now=NOW) == Wakeup(0.0)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, DEPLOYMENT, False),
        (DEPLOYMENT, MORE_READY, False),
        (DEPLOYMENT, COMPLETE, True),
        (DEPLOYMENT, None, True),
        (PLAIN, None, False),
    ],
    ids=["it comes", "it goes on", "it is complete", "it is gone", "another kind goes"],
)
def test_when_another_deployment_may_roll_out(
    before: CachedChild | None, after: CachedChild | None, *, expected: bool
) -> None:
    assert frees_rollout(before, after) is expected
