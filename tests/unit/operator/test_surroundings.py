"""What surrounds the reconciler: Events, health, metrics, logs, settings, the supervisor."""

import asyncio
import json
import logging
import signal
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fairlead_operator import health, logs, supervisor
from fairlead_operator.announcements import BURST, REFILL_SECONDS, Announcer
from fairlead_operator.errors import Terminating, Unreachable
from fairlead_operator.metrics import Metrics
from fairlead_operator.settings import Settings

RESOURCE: dict[str, Any] = {"metadata": {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "1"}}


class Events:
    """Takes what is created."""

    def __init__(self, error: Exception | None = None) -> None:
        self.made: list[dict[str, Any]] = []
        self.error = error

    async def create(self, kind: object, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.made.append(manifest)
        return manifest


def announcer(events: Events, times: list[float]) -> Announcer:
    return Announcer(events, identity="one", clock=lambda: times[-1], now=lambda: "2026-01-01T00:00:00Z")  # type: ignore[arg-type]


async def test_what_was_said_last_is_not_said_again() -> None:
    events = Events()
    speaker = announcer(events, [0.0])
    for reason in ("Conflict", "Conflict", "Ready", "Conflict"):
        await speaker.announce(RESOURCE, "Warning", reason, "text")
    assert [event["reason"] for event in events.made] == ["Conflict", "Ready", "Conflict"]


async def test_one_resource_has_a_burst_and_then_one_event_in_five_minutes() -> None:
    events, times = Events(), [0.0]
    speaker = announcer(events, times)
    for number in range(20):
        await speaker.announce(RESOURCE, "Warning", f"R{number}", "text")
    assert len(events.made) == BURST
    times.append(REFILL_SECONDS)
    for number in range(20):
        await speaker.announce(RESOURCE, "Warning", f"S{number}", "text")
    assert len(events.made) == BURST + 1


async def test_an_event_that_cannot_be_written_is_let_go() -> None:
    await announcer(Events(Unreachable("POST")), [0.0]).announce(RESOURCE, "Warning", "Conflict", "text")


async def test_the_last_words_about_a_resource_outlive_its_namespace() -> None:
    class Ending(Events):
        async def create(self, kind: object, manifest: dict[str, Any]) -> dict[str, Any]:
            if manifest["metadata"]["namespace"] == "shop":
                raise Terminating("POST", code=403, reason="Forbidden", message="namespace shop is being terminated")
            return await super().create(kind, manifest)

    events = Ending()
    await announcer(events, [0.0]).announce(RESOURCE, "Warning", "Unavailable", "no pods")
    assert events.made == []
    goes = RESOURCE | {"metadata": RESOURCE["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    await announcer(events, [0.0]).announce(goes, "Warning", "TeardownSkipped", "tables stay")
    (told,) = events.made
    assert told["metadata"]["namespace"] == "default"
    assert told["involvedObject"] == {"apiVersion": "v1", "kind": "Namespace", "name": "shop"}
    assert told["message"] == "ApiService orders: tables stay"


@pytest.mark.parametrize(
    ("beats", "missing", "healthy", "ready"),
    [
        ({"ConfigMap": 95.0, "Lease": 99.0}, [], 200, 200),
        ({"ConfigMap": -21.0, "Lease": 99.0}, [], 503, 200),
        ({"ConfigMap": 95.0}, ["Deployment"], 200, 503),
    ],
)
async def test_a_watch_that_is_silent_for_two_minutes_is_not_healthy(
    beats: dict[str, float], missing: list[str], healthy: int, ready: int
) -> None:
    metrics = Metrics(workers=4, clock=lambda: 0.0)
    app = health.application(beats=lambda: beats, unready=lambda: missing, metrics=metrics.render, clock=lambda: 100.0)
    async with TestClient(TestServer(app)) as client:
        healthz, readyz, shown = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
        assert (healthz.status, readyz.status, shown.status) == (healthy, ready, 200)
        if healthy == 503:
            assert await healthz.text() == "silent: ConfigMap\n"


def test_metrics_have_the_names_that_dashboards_know() -> None:
    times = [0.0]
    metrics = Metrics(workers=4, clock=lambda: times[-1])
    metrics.depth(lambda: 3)
    metrics.added()
    metrics.started("orders", waited_seconds=0.1)
    times.append(2.0)
    running = metrics.render().decode()
    metrics.finished("orders", result="error")
    metrics.answered("GET", "/api", 200)
    text = metrics.render().decode()
    assert 'workqueue_unfinished_work_seconds{name="apisvc"} 2.0' in running
    assert 'workqueue_longest_running_processor_seconds{name="apisvc"} 2.0' in running
    assert 'controller_runtime_active_workers{controller="apisvc"} 1.0' in running
    for line in (
        'workqueue_depth{name="apisvc"} 3.0',
        'workqueue_adds_total{name="apisvc"} 1.0',
        'workqueue_retries_total{name="apisvc"} 1.0',
        'controller_runtime_reconcile_total{controller="apisvc",result="error"} 1.0',
        'controller_runtime_reconcile_errors_total{controller="apisvc"} 1.0',
        'controller_runtime_max_concurrent_reconciles{controller="apisvc"} 4.0',
        'controller_runtime_reconcile_time_seconds_count{controller="apisvc"} 1.0',
        'workqueue_queue_duration_seconds_count{name="apisvc"} 1.0',
        'workqueue_work_duration_seconds_count{name="apisvc"} 1.0',
        'rest_client_requests_total{code="200",method="GET"} 1.0',
    ):
        assert line in text


def test_a_log_line_is_json_and_names_the_resource() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "failed", None, None)
    record.error = "409"
    token = logs.RESOURCE.set("shop/orders")
    try:
        line = json.loads(logs.JsonFormatter().format(record))
    finally:
        logs.RESOURCE.reset(token)
    assert (line["message"], line["resource"], line["error"], line["level"]) == (
        "failed",
        "shop/orders",
        "409",
        "WARNING",
    )


def test_settings_come_from_the_environment() -> None:
    given = {"FAIRLEAD_WORKERS": "3", "FAIRLEAD_LEASE_SECONDS": "17.5", "FAIRLEAD_NAMESPACE": "shop", "OTHER": "x"}
    settings = Settings.from_environment(given)
    assert (settings.workers, settings.lease_seconds, settings.namespace) == (3, 17.5, "shop")


async def test_a_defect_starts_the_operator_anew_and_a_signal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.0)
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("a defect")
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    await asyncio.wait_for(supervisor.supervise(run), 10)
    assert runs == 3
