"""What surrounds the reconciler: Events, health, metrics, logs, settings, the supervisor."""

import asyncio
import json
import logging
import signal
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fairlead_operator import logs, supervisor
from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness
from fairlead_operator.controller import health
from fairlead_operator.controller.metrics import Metrics
from fairlead_operator.errors import ApiError, Forbidden, NotFound, OperatorError, Terminating, Unreachable
from fairlead_operator.settings import Settings
from fairlead_operator.status.recorder import BURST, REFILL_SECONDS, EventRecorder

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


def event_recorder(events: Events, times: list[float]) -> EventRecorder:
    return EventRecorder(events, identity="one", clock=lambda: times[-1], now=lambda: "2026-01-01T00:00:00Z")  # type: ignore[arg-type]


async def test_what_was_said_last_is_not_said_again() -> None:
    events = Events()
    speaker = event_recorder(events, [0.0])
    for reason in ("Conflict", "Conflict", "Ready", "Conflict"):
        await speaker.record_event(RESOURCE, "Warning", reason, "text")
    assert [event["reason"] for event in events.made] == ["Conflict", "Ready", "Conflict"]


async def test_one_resource_has_a_burst_and_then_one_event_in_five_minutes() -> None:
    events, times = Events(), [0.0]
    speaker = event_recorder(events, times)
    for number in range(20):
        await speaker.record_event(RESOURCE, "Warning", f"R{number}", "text")
    assert len(events.made) == BURST
    times.append(REFILL_SECONDS)
    for number in range(20):
        await speaker.record_event(RESOURCE, "Warning", f"S{number}", "text")
    assert len(events.made) == BURST + 1


async def test_an_event_that_cannot_be_written_is_dropped() -> None:
    await event_recorder(Events(Unreachable("POST")), [0.0]).record_event(RESOURCE, "Warning", "Conflict", "text")


async def test_the_last_event_about_a_resource_outlives_its_namespace() -> None:
    class Ending(Events):
        async def create(self, kind: object, manifest: dict[str, Any]) -> dict[str, Any]:
            if manifest["metadata"]["namespace"] == "shop":
                raise Terminating("POST", code=403, reason="Forbidden", message="namespace shop is being terminated")
            return await super().create(kind, manifest)

    events = Ending()
    await event_recorder(events, [0.0]).record_event(RESOURCE, "Warning", "Unavailable", "no pods")
    assert events.made == []
    goes = RESOURCE | {"metadata": RESOURCE["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    await event_recorder(events, [0.0]).record_event(goes, "Warning", "TeardownSkipped", "tables stay")
    (event,) = events.made
    assert event["metadata"]["namespace"] == "default"
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Namespace", "name": "shop"}
    assert event["message"] == "ApiService orders: tables stay"


class Followed:
    """Two kinds and the Lease as seconds go by; who is not `answering` gets no answer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reachability = ServerReachability(clock=lambda: self.now)
        self.watches = {name: WatchLiveness(self.reachability) for name in ("ConfigMap", "Deployment", "Lease")}

    def goes_on(self, seconds: int, *, answering: Iterable[str] = ()) -> None:
        for _ in range(seconds):
            self.now += 1.0
            for name in answering:
                self.watches[name].heard()


ALL, ONE_STUCK, LEASE_STUCK = ("ConfigMap", "Deployment", "Lease"), ("Deployment", "Lease"), ("ConfigMap", "Deployment")


@pytest.mark.parametrize(
    ("steps", "status", "text"),
    [
        pytest.param([(600, ALL)], 200, "ok", id="all are answered"),
        pytest.param([(120, ONE_STUCK)], 200, "ok", id="one is silent for two minutes"),
        pytest.param([(121, ONE_STUCK)], 503, "stuck: ConfigMap", id="one is silent for longer"),
        pytest.param([(121, LEASE_STUCK)], 503, "stuck: Lease", id="the election is"),
        pytest.param([(121, ("Lease",))], 503, "stuck: ConfigMap, Deployment", id="all watches are"),
        pytest.param([(121, ONE_STUCK), (1, ALL)], 200, "ok", id="it answers again"),
        pytest.param(
            [(9, ONE_STUCK), (3600, ())], 200, "alive, but the API server does not answer", id="the server is away"
        ),
        pytest.param([(3600, ()), (60, ONE_STUCK)], 200, "ok", id="it came back, and not all have answered yet"),
        pytest.param([(3600, ()), (122, ONE_STUCK)], 503, "stuck: ConfigMap", id="it came back but for one"),
        pytest.param([(100, ONE_STUCK), (20, ()), (2, ONE_STUCK)], 503, "stuck: ConfigMap", id="a short gap is none"),
    ],
)
async def test_who_is_silent_while_others_are_answered_is_stuck(
    steps: list[tuple[int, tuple[str, ...]]], status: int, text: str
) -> None:
    here = Followed()
    for seconds, answering in steps:
        here.goes_on(seconds, answering=answering)
    assert await asked(here, "/healthz") == (status, f"{text}\n")


@pytest.mark.parametrize(
    ("error", "heard", "answered"),
    [
        pytest.param(Unreachable("reset"), False, False, id="no answer"),
        pytest.param(NotFound("GET", code=404, reason="", message=""), True, True, id="not served"),
        pytest.param(Forbidden("GET", code=403, reason="", message=""), True, True, id="forbidden"),
        pytest.param(ApiError("GET", code=500, reason="", message=""), False, True, id="an error of the server's"),
    ],
)
def test_an_error_is_an_answer_and_says_something_only_when_it_is_about_the_kind(
    error: OperatorError, heard: bool, answered: bool
) -> None:
    here = Followed()
    here.now = 5.0
    liveness = here.watches["ConfigMap"]
    liveness.failed(error)
    assert (liveness.heard_at == here.now, liveness.answered_at == here.now) == (heard, answered)


@pytest.mark.parametrize(("missing", "status"), [([], 200), (["Deployment"], 503)])
async def test_ready_is_who_has_read_everything_once_also_while_the_server_is_away(
    missing: list[str], status: int
) -> None:
    here = Followed()
    here.goes_on(600)
    assert await asked(here, "/readyz", missing=missing) == (
        status,
        "not read yet: Deployment\n" if missing else "ok\n",
    )


async def test_silence_is_counted_from_what_was_heard_and_not_from_any_answer() -> None:
    here = Followed()
    here.goes_on(40, answering=("Lease",))
    here.watches["ConfigMap"].answered()
    _, text = await asked(here, "/metrics")
    assert 'fairlead_operator_watch_silence_seconds{kind="ConfigMap"} 40.0' in text
    assert 'fairlead_operator_watch_silence_seconds{kind="Lease"} 0.0' in text


async def asked(here: Followed, path: str, *, missing: Iterable[str] = ()) -> tuple[int, str]:
    """Status and text of one path."""
    metrics = Metrics(workers=4, clock=lambda: here.now)
    metrics.heard(lambda: {name: liveness.heard_at for name, liveness in here.watches.items()})
    app = health.application(
        watches=lambda: here.watches,
        reachability=here.reachability,
        unready=lambda: list(missing),
        metrics=metrics.render,
    )
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(path)
        return answer.status, await answer.text()


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


async def test_a_defect_restarts_the_operator_and_a_signal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
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
