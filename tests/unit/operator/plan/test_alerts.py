"""Alerts: thresholds, what they are about, and that a person finds out what to do. tests/cluster asks promtool."""

import re
from pathlib import Path
from typing import Any

import pytest

from fairlead_operator.plan import RUNBOOKS
from fairlead_operator.plan.monitoring import burn_rate

from .cases import CASES, child, golden, planned

ROOT = Path(__file__).parents[4]
TELEMETRY = ROOT / "workloads" / "fairlead_workload" / "telemetry"
NOT_COUNTED_YET = {"fairlead_request_filter_matches"}  # the request filter is not served yet
METRIC = re.compile(r"\b(fairlead_\w+|http_server_\w+)\b")
SUFFIX = re.compile(r"_(total|count|bucket|sum)$")
SQS = "queue: {type: SQS, sqs: {queueName: orders, visibilityTimeout: 30m}%s}\n"

HANDLER = "worker: {handlers: [{event: orders.created, %s}]}"
CALL = "call: {service: {name: payments}}"
SET = "{name: b, set: {status: \"'X'\"}}"
STEPS = {
    "a set": f"steps: [{SET}]",
    "a call": f"steps: [{{name: a, {CALL}}}]",
    "a call that undoes": f"steps: [{{name: b, set: {{status: \"'X'\"}}, compensate: {{{CALL}}}}}]",
    "a call after a failure": f"steps: [{SET}], onFailure: [{{name: a, {CALL}}}]",
}


def rules(spec: str) -> dict[str, dict[str, Any]]:
    [group] = child(planned(spec), "PrometheusRule").manifest["spec"]["groups"]
    return {rule.get("alert") or rule["record"]: rule for rule in group["rules"]}


@pytest.mark.parametrize("case", CASES)
def test_every_alert_is_described_and_has_a_runbook(case: str) -> None:
    headings = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE))
    [group] = child(golden(case), "PrometheusRule").manifest["spec"]["groups"]
    for alert in (rule for rule in group["rules"] if "alert" in rule):
        assert alert["alert"] in headings
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOKS}#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"]
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert (alert["labels"]["namespace"], alert["labels"]["apisvc"]) == ("shop", "orders")


@pytest.mark.parametrize("case", CASES)
def test_alerts_look_at_metrics_that_the_workload_has(case: str) -> None:
    source = "".join(path.read_text() for path in TELEMETRY.glob("*.py"))
    exported = set(re.findall(r'"((?:fairlead|http_server)_\w+)"', source))
    [group] = child(golden(case), "PrometheusRule").manifest["spec"]["groups"]
    for rule in group["rules"]:
        asked = {SUFFIX.sub("", name) for name in METRIC.findall(rule["expr"])}
        assert asked <= exported | NOT_COUNTED_YET


@pytest.mark.parametrize("case", CASES)
def test_every_expression_is_about_this_service_only(case: str) -> None:
    [group] = child(golden(case), "PrometheusRule").manifest["spec"]["groups"]
    for rule in group["rules"]:
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors
        assert all(each.startswith('namespace="shop",apisvc="orders"') for each in selectors)


@pytest.mark.parametrize(
    ("availability", "burns", "thresholds"),
    [
        ("99.9", burn_rate.FAST, ["0.0144", "0.0144", "0.006", "0.006"]),
        ("99.9", burn_rate.SLOW, ["0.003", "0.003", "0.001", "0.001"]),
        ("99.99", burn_rate.FAST, ["0.00144", "0.00144", "0.0006", "0.0006"]),
        ("99", burn_rate.SLOW, ["0.03", "0.03", "0.01", "0.01"]),
        ("90", burn_rate.FAST, ["0.6", "0.6"]),
        ("0", burn_rate.FAST, []),
    ],
)
def test_the_budget_burns_at_exact_rates(
    availability: str, burns: tuple[burn_rate.Burn, ...], thresholds: list[str]
) -> None:
    assert re.findall(r"> ([0-9.]+)", burn_rate.expression(burns, availability, 'a="b"')) == thresholds


def test_every_window_that_is_asked_for_is_recorded() -> None:
    made = rules("slo: {availability: '99.9'}")
    asked = {
        name for rule in made.values() if "alert" in rule for name in re.findall(rf"{burn_rate.RATIO}\w+", rule["expr"])
    }
    assert asked == {name for name, rule in made.items() if "record" in rule}


def test_alerts_come_with_what_they_are_about() -> None:
    assert set(rules("")) == {"FairleadDependencyDown"}
    queue = {"FairleadDeadLetters", "FairleadQueueOld", "FairleadRetryStorm", "FairleadWorkerOutage"}
    assert set(rules(SQS % "")) == {"FairleadDependencyDown"} | queue
    assert "FairleadCalledServiceDown" not in rules(SQS % "" + HANDLER % STEPS["a set"])
    assert "FairleadCacheDown" in rules("cache: {type: Memory}")
    assert "FairleadLatencyHigh" in rules("slo: {latencyP99: 250ms}")
    assert "FairleadRequestsBlocked" in rules("security: {requestFilter: {mode: Detect}}")
    assert "FairleadRequestsBlocked" not in rules("security: {requestFilter: {mode: Disabled}}")


@pytest.mark.parametrize(
    ("settings", "worker", "seconds"),
    [("", "", "600"), (", retry: {backoff: {max: 10m}}", "", "1200"), ("", "worker: {timeout: 5m}", "3000")],
)
def test_a_queue_is_old_when_it_is_older_than_what_is_usual(settings: str, worker: str, seconds: str) -> None:
    assert rules(SQS % settings + worker)["FairleadQueueOld"]["expr"].endswith(f"> {seconds}")


@pytest.mark.parametrize("case", [case for case in STEPS if case != "a set"])
def test_a_service_that_any_step_calls_has_an_alert(case: str) -> None:
    assert "FairleadCalledServiceDown" in rules(SQS % "" + HANDLER % STEPS[case])


@pytest.mark.parametrize(
    ("settings", "worker", "window"),
    [("", "", "8m"), (", retry: {backoff: {max: 1h}}", "", "74m"), ("", "timeout: 10m, ", "17m")],
)
def test_a_called_service_stays_down_while_an_event_may_wait(settings: str, worker: str, window: str) -> None:
    made = rules(SQS % settings + HANDLER.replace("{handlers", f"{{{worker}handlers") % STEPS["a call"])
    assert f"[{window}]" in made["FairleadCalledServiceDown"]["expr"]


def test_the_resource_says_how_many_dead_letters_are_too_many() -> None:
    made = rules(SQS % ", deadLetter: {alertAfter: 25}")
    assert made["FairleadDeadLetters"]["expr"].endswith(">= 25")
