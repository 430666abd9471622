"""The Grafana dashboards of the chart: one for ApiServices, one for the operator.

Decided here: which figures somebody on call sees, in which order, and the queries behind them. Names of metrics are
those of the workload's and the operator's own modules; a test compares them.
"""

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
COLUMNS, WIDTH, HEIGHT = 24, 8, 8
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SERVICE = 'namespace=~"$namespace",apisvc=~"$apisvc"'
OPERATOR = 'namespace=~"$namespace",service=~".*fairlead.*"'
BUCKETS = "http_server_request_duration_seconds_bucket"
COUNT = "http_server_request_duration_seconds_count"


@dataclass(frozen=True)
class Panel:
    """One graph. `queries` is legend to PromQL, in which `{}` stands for the dashboard's selector."""

    title: str
    unit: str
    queries: dict[str, str]
    description: str = ""


Rows = dict[str, tuple[Panel, ...]]


def _quantiles(metric: str, by: str = "") -> dict[str, str]:
    group = f"le, {by}" if by else "le"
    return {
        f"p{int(share * 100)}{' {{' + by + '}}' if by else ''}": f"histogram_quantile({share}, sum by ({group}) "
        f"(rate({metric}{{}}[$__rate_interval])))"
        for share in (0.5, 0.99)
    }


SERVICES: Rows = {
    "Requests": (
        Panel(
            "Requests by status",
            "reqps",
            {
                "{{http_response_status_code}}": "sum by (http_response_status_code) "
                f"(rate({COUNT}{{}}[$__rate_interval]))"
            },
        ),
        Panel(
            "Share of 5xx",
            "percentunit",
            {
                "5xx": f'sum(rate({COUNT}{{http_response_status_code=~"5..",}}[$__rate_interval]))'
                f" / sum(rate({COUNT}{{}}[$__rate_interval]))"
            },
            "What the error budget of the objective is spent on.",
        ),
        Panel("Duration", "s", _quantiles(BUCKETS)),
        Panel(
            "Requests by route",
            "reqps",
            {
                "{{http_request_method}} {{http_route}}": "sum by (http_request_method, http_route) "
                f"(rate({COUNT}{{}}[$__rate_interval]))"
            },
        ),
        Panel("p99 by route", "s", dict([list(_quantiles(BUCKETS, "http_route").items())[1]])),
        Panel("Requests under way", "short", {"{{pod}}": "sum by (pod) (http_server_active_requests{})"}),
    ),
    "Dependencies and cache": (
        Panel(
            "Dependencies",
            "bool_on_off",
            {"{{dependency}}": "min by (dependency) (fairlead_dependency_up{})"},
            "Off when at least one pod gets no answer.",
        ),
        Panel(
            "Reads through the cache",
            "reqps",
            {"{{result}}": "sum by (result) (rate(fairlead_cache_requests_total{}[$__rate_interval]))"},
        ),
        Panel(
            "Cache errors",
            "reqps",
            {
                "{{resource}}": "sum by (resource) (rate(fairlead_cache_errors_total{}[$__rate_interval]))",
                "{{resource}} bypassed": "max by (resource) (fairlead_cache_degraded{})",
            },
        ),
    ),
    "Queue and worker": (
        Panel("Messages", "short", {"{{state}}": "max by (state) (fairlead_queue_messages{})"}),
        Panel(
            "Age",
            "s",
            {
                "oldest message": "max(fairlead_queue_oldest_seconds{})",
                "oldest event not published": "max(fairlead_outbox_lag_seconds{})",
            },
        ),
        Panel("Dead letters", "short", {"kept": "max(fairlead_dead_letters{})"}, "`fairlead dlq list` shows them."),
        Panel(
            "Events by outcome",
            "reqps",
            {"{{outcome}}": "sum by (outcome) (rate(fairlead_worker_events_total{}[$__rate_interval]))"},
        ),
        Panel(
            "Failures by kind",
            "reqps",
            {"{{type}} {{kind}}": "sum by (type, kind) (rate(fairlead_worker_failures_total{}[$__rate_interval]))"},
        ),
        Panel(
            "Time to handle an event",
            "s",
            {
                "{{type}}": "sum by (type) (rate(fairlead_worker_event_duration_seconds_sum{}[$__rate_interval])) / "
                "sum by (type) (rate(fairlead_worker_event_duration_seconds_count{}[$__rate_interval]))"
            },
            "Mean.",
        ),
    ),
    "Processes": (
        Panel("CPU", "short", {"{{pod}}": "sum by (pod) (rate(process_cpu_seconds_total{}[$__rate_interval]))"}),
        Panel("Memory", "bytes", {"{{pod}}": "sum by (pod) (process_resident_memory_bytes{})"}),
        Panel("Event loop lag", "s", {"{{pod}}": "max by (pod) (fairlead_event_loop_lag_seconds{})"}),
    ),
}

OPERATORS: Rows = {
    "Reconciling": (
        Panel(
            "Passes by result",
            "ops",
            {"{{result}}": "sum by (result) (rate(controller_runtime_reconcile_total{}[$__rate_interval]))"},
        ),
        Panel(
            "Failed passes",
            "ops",
            {"errors": "sum(rate(controller_runtime_reconcile_errors_total{}[$__rate_interval]))"},
        ),
        Panel("Length of a pass", "s", _quantiles("controller_runtime_reconcile_time_seconds_bucket")),
        Panel(
            "Workers",
            "short",
            {
                "busy": "sum(controller_runtime_active_workers{})",
                "all": "max(controller_runtime_max_concurrent_reconciles{})",
            },
        ),
    ),
    "Queue": (
        Panel("Depth", "short", {"{{pod}}": "sum by (pod) (workqueue_depth{})"}),
        Panel("Wait", "s", _quantiles("workqueue_queue_duration_seconds_bucket")),
        Panel(
            "Adds and retries",
            "ops",
            {
                "adds": "sum(rate(workqueue_adds_total{}[$__rate_interval]))",
                "retries": "sum(rate(workqueue_retries_total{}[$__rate_interval]))",
            },
        ),
        Panel("Oldest pass under way", "s", {"oldest": "max(workqueue_longest_running_processor_seconds{})"}),
    ),
    "API server": (
        Panel(
            "Answers",
            "reqps",
            {"{{method}} {{code}}": "sum by (method, code) (rate(rest_client_requests_total{}[$__rate_interval]))"},
        ),
        Panel("Leader", "bool_on_off", {"{{pod}}": "max by (pod) (leader_election_master_status{})"}),
        Panel(
            "Silence of watches",
            "s",
            {"{{kind}}": "max by (kind) (fairlead_operator_watch_silence_seconds{})"},
            "Seconds since the API server last sent news of a kind, or that there is none.",
        ),
    ),
}


def texts() -> dict[str, str]:
    """File name without its ending to the JSON of the dashboard."""
    namespaces = f"label_values({COUNT}, namespace)"
    services = [
        _variable("namespace", namespaces),
        _variable("apisvc", f'label_values({COUNT}{{namespace=~"$namespace"}}, apisvc)'),
    ]
    operators = [_variable("namespace", "label_values(controller_runtime_reconcile_total, namespace)")]
    return {
        "apiservices": _dashboard("ApiServices", "fairlead-apiservices", SERVICES, SERVICE, services),
        "operator": _dashboard("Fairlead operator", "fairlead-operator", OPERATORS, OPERATOR, operators),
    }


def _dashboard(title: str, uid: str, rows: Rows, selector: str, variables: list[Json]) -> str:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    document = {
        "uid": uid,
        "title": title,
        "tags": ["fairlead"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source, *variables]},
        "panels": list(_panels(rows, selector)),
    }
    return json.dumps(document, indent=1) + "\n"


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels(rows: Rows, selector: str) -> list[Json]:
    drawn: list[Json] = []
    top = 0
    for title, panels in rows.items():
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        drawn.append(
            {"id": len(drawn) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        )
        top += 1
        per_line = COLUMNS // WIDTH
        for number, panel in enumerate(panels):
            place = {"x": number % per_line * WIDTH, "y": top + number // per_line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            drawn.append(_graph(panel, len(drawn) + 1, place, selector))
        top += -(-len(panels) // per_line) * HEIGHT
    return drawn


def _graph(panel: Panel, number: int, place: Json, selector: str) -> Json:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": DATASOURCE,
            "legendFormat": legend,
            "expr": _select(query, selector),
        }
        for index, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def _select(query: str, selector: str) -> str:
    return query.replace("{}", f"{{{selector}}}").replace(",}", f",{selector}}}")
