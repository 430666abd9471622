"""The status that follows from what was seen, each case held against the kstatus rules."""

from dataclasses import replace
from typing import Any

import pytest

from fairlead_operator.cache.workload_state import Rollout
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.status.conditions import (
    Scaling,
    View,
    Workload,
    assess,
    condition_detail,
    progresses,
    step,
    transitions,
)

from ...kstatus import kstatus_check, reading

SERVES = Rollout("api", complete=True, failed="", available=True, replicas="2/2", refused="")
DOWN = replace(SERVES, available=False, replicas="0/2")
WELL = View(
    generation=3,
    class_name="standard",
    url="http://orders-api.shop.svc",
    provision={"hash": "1", "state": "Succeeded"},
    api=Workload(True, SERVES),
    serving={"generation": 3, "runtimeHash": "a"},
    image="image:1",
    scaling=Scaling(planned=True),
)
ROLLING = replace(WELL, pending=ConditionDetail(Reason.ROLLING_OUT, "not yet"), api=Workload(True))
CASES: dict[str, tuple[View, str, str, str]] = {
    "all is well": (WELL, "True", "Ready", "Current"),
    "the first pass": (ROLLING, "Unknown", "RollingOut", "InProgress"),
    "a rollout with a cause": (
        replace(ROLLING, api=Workload(True, DOWN, ConditionDetail(Reason.IMAGE_PULL, "no image"))),
        "Unknown",
        "RollingOut",
        "InProgress",
    ),
    "pods went away later": (replace(WELL, api=Workload(True, DOWN)), "False", "Unavailable", "InProgress"),
    "pods crash later": (
        replace(WELL, api=Workload(True, DOWN, ConditionDetail(Reason.CRASHING, "exit code 1"))),
        "False",
        "Crashing",
        "InProgress",
    ),
    "the worker is down": (replace(WELL, worker=Workload(True, DOWN)), "False", "Unavailable", "InProgress"),
    "a limit of the class": (
        replace(WELL, stalled=ConditionDetail(Reason.CLASS_LIMITS, "no"), pending=ConditionDetail(Reason.APPLYING, "")),
        "False",
        "ClassLimits",
        "Failed",
    ),
    "a class that cannot be used, though what was asked for serves": (
        replace(WELL, class_fault=ConditionDetail(Reason.INVALID_CLASS, "no label")),
        "True",
        "Ready",
        "Current",
    ),
    "a class that cannot be used, and pods that went away": (
        replace(WELL, class_fault=ConditionDetail(Reason.INVALID_CLASS, "no label"), api=Workload(True, DOWN)),
        "False",
        "Unavailable",
        "InProgress",
    ),
    "provisioning failed": (
        replace(
            WELL, provision={"hash": "1", "state": "Failed"}, stalled=ConditionDetail(Reason.PROVISION_FAILED, "no")
        ),
        "False",
        "ProvisionFailed",
        "Failed",
    ),
    "a provision Job with a cause": (
        replace(
            WELL,
            provision={"hash": "1", "state": "Running"},
            pending=ConditionDetail(Reason.PROVISIONING, "it runs"),
            provision_cause=ConditionDetail(Reason.MISSING_SECRET, "no Secret"),
        ),
        "Unknown",
        "Provisioning",
        "InProgress",
    ),
    "an embedded store": (replace(WELL, embedded=True, provision=None), "True", "Ready", "Current"),
    "paused": (View(3, paused=True), "Unknown", "Paused", "InProgress"),
    "nothing known but a missing class": (
        View(3, stalled=ConditionDetail(Reason.CLASS_NOT_FOUND, "no class"), api=Workload(True)),
        "False",
        "ClassNotFound",
        "Failed",
    ),
}


def resource(status: dict[str, Any], generation: int = 3) -> dict[str, Any]:
    """As the API server has it."""
    return {"metadata": {"generation": generation}, "status": status}


def by_type(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions by their type."""
    return {each["type"]: each for each in status["conditions"]}


@pytest.mark.parametrize("case", CASES)
def test_ready_and_what_kstatus_makes_of_it(case: str) -> None:
    view, state, reason, read = CASES[case]
    before = resource(assess(ROLLING, {}, now="2026-01-01T00:00:00Z"))
    after = resource(assess(view, before["status"], now="2026-01-01T00:00:01Z"))
    ready = by_type(after["status"])["Ready"]
    assert (ready["status"], ready["reason"]) == (state, reason)
    assert reading(after) == read
    assert kstatus_check(before, after) == []


@pytest.mark.parametrize("first", CASES)
@pytest.mark.parametrize("second", CASES)
def test_every_change_of_state_keeps_the_rules(first: str, second: str) -> None:
    before = resource(assess(CASES[first][0], {}, now="2026-01-01T00:00:00Z"))
    after = resource(assess(CASES[second][0], before["status"], now="2026-01-01T00:00:01Z"))
    assert kstatus_check(before, after) == []


@pytest.mark.parametrize("case", CASES)
def test_an_equal_world_gives_no_write(case: str) -> None:
    view = CASES[case][0]
    before = assess(view, {}, now="2026-01-01T00:00:00Z")
    assert assess(view, before, now="2026-06-01T00:00:00Z") == before


def test_the_message_of_ready_is_the_deepest_cause() -> None:
    status = assess(CASES["a rollout with a cause"][0], {}, now="2026-01-01T00:00:00Z")
    assert by_type(status)["Ready"]["message"] == "no image"


def test_what_delays_a_provision_job_is_in_ready_and_with_its_reason_in_provisioned() -> None:
    view = CASES["a provision Job with a cause"][0]
    conditions = by_type(assess(view, {}, now="2026-01-01T00:00:00Z"))
    assert (conditions["Ready"]["reason"], conditions["Ready"]["message"]) == ("Provisioning", "no Secret")
    assert (conditions["Provisioned"]["reason"], conditions["Provisioned"]["message"]) == ("MissingSecret", "no Secret")
    going = replace(view, pending=ConditionDetail(Reason.DELETING, "it goes"))
    assert by_type(assess(going, {}, now="2026-01-01T00:00:00Z"))["Ready"]["message"] == "it goes"


def test_why_provisioning_failed_is_reported_beside_what_else_stalls() -> None:
    failed = ConditionDetail(Reason.PROVISION_FAILED, "no Secret")
    view = replace(
        CASES["provisioning failed"][0], stalled=ConditionDetail(Reason.CONFLICT, "there"), provision_cause=failed
    )
    conditions = by_type(assess(view, {}, now="2026-01-01T00:00:00Z"))
    assert condition_detail({"conditions": list(conditions.values())}, "Provisioned") == failed
    assert conditions["Ready"]["reason"] == "Conflict"


def test_a_part_that_is_not_asked_for_is_not_configured() -> None:
    conditions = by_type(assess(WELL, {}, now="2026-01-01T00:00:00Z"))
    assert conditions["WorkerAvailable"]["reason"] == "NotConfigured"
    assert conditions["WorkerAvailable"]["status"] == "True"
    assert "NotForProduction" not in conditions


def test_events_report_a_new_problem_once_and_its_end() -> None:
    well = assess(WELL, {}, now="2026-01-01T00:00:00Z")
    bad = assess(CASES["provisioning failed"][0], well, now="2026-01-01T00:00:01Z")
    assert [each[:2] for each in transitions({}, well)] == []
    assert [each[:2] for each in transitions(well, bad)] == [("Warning", "ProvisionFailed")]
    assert list(transitions(bad, bad)) == []
    assert [each[:2] for each in transitions(bad, well)] == [("Normal", "Ready")]
    of_class = assess(CASES["a class that cannot be used, though what was asked for serves"][0], well, now="2")
    assert list(transitions(well, of_class)) == [("Warning", "InvalidClass", "no label")]
    assert list(transitions(of_class, of_class)) == []


STALLED = replace(WELL, stalled=ConditionDetail(Reason.CONFLICT, "there already"))
UNDER_WAY = replace(ROLLING, provision={"hash": "1", "state": "Running"})


@pytest.mark.parametrize(
    ("before", "after", "progress"),
    [
        pytest.param(None, ROLLING, True, id="the first report"),
        pytest.param(UNDER_WAY, ROLLING, True, id="from one step to the next"),
        pytest.param(ROLLING, replace(ROLLING, api=Workload(True, SERVES)), True, id="a detail"),
        pytest.param(ROLLING, replace(ROLLING, generation=4), True, id="an edit on the way"),
        pytest.param(WELL, replace(ROLLING, generation=4), False, id="an edit of what was well"),
        pytest.param(WELL, ROLLING, False, id="not well any more"),
        pytest.param(STALLED, ROLLING, False, id="not stalled any more"),
        pytest.param(ROLLING, WELL, False, id="a good end"),
        pytest.param(ROLLING, STALLED, False, id="a bad end"),
        pytest.param(ROLLING, replace(ROLLING, requested_at="now"), False, id="the answer to a request"),
        pytest.param(ROLLING, View(3, paused=True), False, id="a pause"),
    ],
)
def test_what_is_progress(before: View | None, after: View, progress: bool) -> None:
    was = assess(before, {}, now="1") if before else {}
    assert progresses(was, assess(after, was, now="2")) is progress


@pytest.mark.parametrize(
    ("after", "same"),
    [
        pytest.param(
            replace(UNDER_WAY, children=[{"kind": "Job", "name": "a"}], api=Workload(True, DOWN)), True, id="detail"
        ),
        pytest.param(ROLLING, False, id="provisioned"),
        pytest.param(replace(UNDER_WAY, generation=4), False, id="another generation"),
        pytest.param(replace(UNDER_WAY, pending=ConditionDetail(Reason.APPLYING, "again")), False, id="another reason"),
        pytest.param(
            replace(UNDER_WAY, api=Workload(True, DOWN, ConditionDetail(Reason.IMAGE_PULL, "no image"))),
            False,
            id="a cause",
        ),
    ],
)
def test_what_is_the_same_step(after: View, same: bool) -> None:
    before = assess(UNDER_WAY, {}, now="1")
    assert (step(before) == step(assess(after, before, now="2"))) is same
