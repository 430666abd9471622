"""The PrometheusRule: the alerts and their thresholds.

`critical` is worth a call at night, `warning` can wait for the morning. Every alert names its part of docs/alerts.md.
Texts come from names that the contract bounds, so nothing needs escaping.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead_contract.spec.bindings import CacheType, Queue
from fairlead_contract.spec.hosting import Slo
from fairlead_contract.spec.model import seconds
from fairlead_contract.spec.security import FilterMode
from fairlead_contract.spec.worker import Worker
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.monitoring import burn_rate
from fairlead_operator.plan.monitoring.monitors import API_VERSION, LABEL
from fairlead_operator.plan.traffic.network_policy import calls_services

QUEUE_AGE_FLOOR_SECONDS = 600
BLOCKED_PER_SECOND = 1
RETRY_SHARE = 0.5
RETRY_FLOOR_PER_SECOND = 0.1


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. `hold` is how long it must be true; `summary` and `description` are Go templates."""

    name: str
    expression: str
    hold: str
    severity: str
    summary: str
    description: str


def prometheus_rule(request: PlanRequest) -> Child:
    """Recording and alerting rules of one service."""
    labels = {"namespace": request.namespace, LABEL: request.name}
    slo = request.spec.slo
    rules: list[Manifest] = []
    if slo is not None and slo.availability is not None:
        rules += burn_rate.recordings(_selector(request), labels)
    rules += [_rule(alert, labels, request) for alert in alerts(request)]
    groups = [{"name": f"apisvc/{request.namespace}/{request.name}", "rules": rules}]
    extra = request.class_.spec.monitoring.labels
    return request.child(
        API_VERSION, "PrometheusRule", "api", {"spec": {"groups": groups}}, component="api", labels=extra
    )


def alerts(request: PlanRequest) -> Iterator[Alert]:
    """Every alert that makes sense for this service."""
    selector = _selector(request)
    if request.spec.slo is not None:
        yield from _objectives(request.spec.slo, selector)
    yield _dependency_down(selector)
    if request.spec.cache.type is not CacheType.NONE:
        yield _cache_down(selector)
    if request.spec.queue is not None:
        yield from _queue(request.spec.queue, request.document.worker or Worker(), selector)
    request_filter = request.document.security.request_filter
    if request_filter is not None and request_filter.mode is not FilterMode.DISABLED:
        yield _blocked(selector)


def _selector(request: PlanRequest) -> str:
    return f'namespace="{request.namespace}",{LABEL}="{request.name}"'


def _rule(alert: Alert, labels: dict[str, str], request: PlanRequest) -> Manifest:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.hold,
        "labels": {**labels, "severity": alert.severity},
        "annotations": {
            "summary": f"{request.namespace}/{request.name}: {alert.summary}",
            "description": alert.description,
            "runbook_url": f"{request.runbooks}#{alert.name.lower()}",
        },
    }


def _objectives(slo: Slo, selector: str) -> Iterator[Alert]:
    share = "{{ $value | humanizePercentage }} of the requests fail with 5xx"
    for name, burns, severity in (
        ("FairleadErrorBudgetBurnsFast", burn_rate.FAST, "critical"),
        ("FairleadErrorBudgetBurnsSlowly", burn_rate.SLOW, "warning"),
    ):
        expression = burn_rate.expression(burns, slo.availability, selector) if slo.availability else ""
        if expression:
            description = f"{share}; the objective is {slo.availability} % availability over 30 days."
            yield Alert(name, expression, "2m", severity, "the error budget is being used up", description)
    if slo.latency_p99 is not None:
        limit = seconds(slo.latency_p99)
        durations = f"sum by (le) (rate(http_server_request_duration_seconds_bucket{{{selector}}}[5m]))"
        description = f"The 99th percentile is {{{{ $value | humanizeDuration }}}}; the objective is {slo.latency_p99}."
        expression = f"histogram_quantile(0.99, {durations}) > {limit:g}"
        yield Alert("FairleadLatencyHigh", expression, "10m", "warning", "requests are slow", description)


def _dependency_down(selector: str) -> Alert:
    expression = f'min by (dependency) (fairlead_dependency_up{{{selector},dependency!="cache"}}) == 0'
    description = "At least one pod cannot reach its {{ $labels.dependency }}."
    return Alert("FairleadDependencyDown", expression, "5m", "critical", "a dependency does not answer", description)


def _cache_down(selector: str) -> Alert:
    degraded = f"max(fairlead_cache_degraded{{{selector}}}) == 1"
    expression = f'{degraded} or min(fairlead_dependency_up{{{selector},dependency="cache"}}) == 0'
    description = "Reads go to the datastore instead; it has to carry all of them."
    return Alert("FairleadCacheDown", expression, "5m", "warning", "the cache does not answer", description)


def _queue(queue: Queue, worker: Worker, selector: str) -> Iterator[Alert]:
    after = queue.dead_letter.alert_after
    yield Alert(
        "FairleadDeadLetters",
        f"max(fairlead_dead_letters{{{selector}}}) >= {after}",
        "1m",
        "warning",
        "events could not be handled",
        "{{ $value }} dead letters wait for somebody to look at them.",
    )
    # Twice the longest pause between attempts is not old yet; nor are ten handlers in a row.
    age = max(QUEUE_AGE_FLOOR_SECONDS, 2 * seconds(queue.retry.backoff.max), 10 * seconds(worker.timeout))
    yield Alert(
        "FairleadQueueOld",
        f"max(fairlead_queue_oldest_seconds{{{selector}}}) > {age:.0f}",
        "10m",
        "warning",
        "the queue is not being worked off",
        "The oldest event has waited for {{ $value | humanizeDuration }}.",
    )
    yield _retry_storm(selector)
    yield Alert(
        "FairleadWorkerOutage",
        f"max(fairlead_worker_outage{{{selector}}}) == 1",
        "10m",
        "critical",
        "the worker waits for the datastore",
        "Nothing is handled but one event at a time, to see whether the datastore is back.",
    )
    if calls_services(worker):
        yield _called_service_down(queue, worker, selector)


def _called_service_down(queue: Queue, worker: Worker, selector: str) -> Alert:
    """Looks back for as long as an event may wait for its next try: a restart of the worker resolves nothing."""
    backoff = queue.retry.backoff
    longest = seconds(backoff.max) * (1 + backoff.jitter_percent / 100) + seconds(worker.timeout)
    minutes = math.ceil(longest / 60) + 1
    expression = f"max by (called_service) (last_over_time(fairlead_called_service_up{{{selector}}}[{minutes}m])) == 0"
    description = "{{ $labels.called_service }} answers no worker; the events that call it wait."
    return Alert(
        "FairleadCalledServiceDown", expression, "10m", "critical", "a called service does not answer", description
    )


def _retry_storm(selector: str) -> Alert:
    retried = f'sum(rate(fairlead_worker_events_total{{{selector},outcome="retried"}}[10m]))'
    received = f'sum(rate(fairlead_worker_events_total{{{selector},outcome="received"}}[10m]))'
    expression = f"{retried} / {received} > {RETRY_SHARE} and {retried} > {RETRY_FLOOR_PER_SECOND}"
    description = "{{ $value | humanizePercentage }} of the deliveries end in another attempt."
    return Alert("FairleadRetryStorm", expression, "15m", "warning", "most events are retried", description)


def _blocked(selector: str) -> Alert:
    expression = f"sum(rate(fairlead_request_filter_matches_total{{{selector}}}[5m])) > {BLOCKED_PER_SECOND}"
    description = "The request filter matches {{ $value | humanize }} requests a second."
    return Alert("FairleadRequestsBlocked", expression, "10m", "warning", "many requests look malicious", description)
