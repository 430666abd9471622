"""The operator's metrics, under the names of controller-runtime, so that its dashboards and alerts fit."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fairlead_operator.front.front import RestartReason
from fairlead_operator.kube import kinds

CONTROLLER = "apisvc"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One registry for one operator. `clock` in seconds."""

    def __init__(self, *, workers: int, clock: Callable[[], float]) -> None:
        self.registry = registry = CollectorRegistry()
        self._clock = clock
        self._running: dict[object, float] = {}
        per_controller, per_queue = ("controller",), ("name",)

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, labels: tuple[str, ...]) -> Histogram:
            return Histogram(name, text, labels, buckets=SECONDS, registry=registry)

        def gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self._results = counter("controller_runtime_reconcile_total", "Passes by result.", ("controller", "result"))
        self._errors = counter("controller_runtime_reconcile_errors_total", "Failed passes.", per_controller)
        self._time = histogram("controller_runtime_reconcile_time_seconds", "Length of a pass.", per_controller)
        self._active = gauge("controller_runtime_active_workers", "Passes under way.", per_controller)
        maximum = gauge("controller_runtime_max_concurrent_reconciles", "Most passes at once.", per_controller)
        self._depth = gauge("workqueue_depth", "ApiServices in the work queue.", per_queue)
        self._adds = counter("workqueue_adds_total", "Adds to the work queue.", per_queue)
        self._waited = histogram("workqueue_queue_duration_seconds", "Wait in the work queue.", per_queue)
        self._worked = histogram("workqueue_work_duration_seconds", "Length of a pass.", per_queue)
        self._retries = counter("workqueue_retries_total", "Passes after a failure.", per_queue)
        unfinished = gauge("workqueue_unfinished_work_seconds", "Seconds of passes under way.", per_queue)
        longest = gauge("workqueue_longest_running_processor_seconds", "Oldest pass under way.", per_queue)
        self._requests = counter("rest_client_requests_total", "Answers of the API server.", ("method", "code"))
        restarts, missed = "fairlead_operator_kopf_restarts_total", "fairlead_operator_kopf_missed_events_total"
        self._kopf_restarts = counter(restarts, "Restarts of kopf within the process.", ("reason",))
        self._kopf_missed = counter(missed, "Objects fetched because kopf did not show their change.", ("kind",))
        for why in RestartReason:
            self._kopf_restarts.labels(why)
        for kind in (kinds.API_SERVICE, kinds.API_SERVICE_CLASS):
            self._kopf_missed.labels(kind.name)
        maximum.labels(CONTROLLER).set(workers)
        unfinished.labels(CONTROLLER).set_function(lambda: sum(self._ages()))
        longest.labels(CONTROLLER).set_function(lambda: max(self._ages(), default=0.0))
        self._active.labels(CONTROLLER).set_function(lambda: len(self._running))

    def depth(self, read: Callable[[], int]) -> None:
        """Where the queue's length is read from."""
        self._depth.labels(CONTROLLER).set_function(read)

    def leading(self, read: Callable[[], bool], *, lease: str) -> None:
        """Where it is read whether this replica holds the lease."""
        text = "Whether this replica leads."
        leads = Gauge("leader_election_master_status", text, ("name",), registry=self.registry)
        leads.labels(lease).set_function(read)

    def heard(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Where the time of the last news of each kind is read, by the clock."""
        self.registry.register(_Silence(read, self._clock))

    def answered(self, method: str, path: str, code: int) -> None:
        """The API server answered. The path is no label: there are too many."""
        del path
        self._requests.labels(method, str(code)).inc()

    def kopf_restarted(self, reason: RestartReason) -> None:
        """kopf has ended, or had to."""
        self._kopf_restarts.labels(reason).inc()

    def kopf_missed(self, kind: str, objects: int) -> None:
        """So many objects had to be fetched."""
        self._kopf_missed.labels(kind).inc(objects)

    def added(self) -> None:
        """A name was added."""
        self._adds.labels(CONTROLLER).inc()

    def started(self, work: object, *, waited_seconds: float) -> None:
        """A pass begins."""
        self._running[work] = self._clock()
        self._waited.labels(CONTROLLER).observe(max(0.0, waited_seconds))

    def finished(self, work: object, *, result: str) -> None:
        """A pass ended: success, requeue_after or error."""
        seconds = self._clock() - self._running.pop(work)
        self._time.labels(CONTROLLER).observe(seconds)
        self._worked.labels(CONTROLLER).observe(seconds)
        self._results.labels(CONTROLLER, result).inc()
        if result == "error":
            self._errors.labels(CONTROLLER).inc()
            self._retries.labels(CONTROLLER).inc()

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def _ages(self) -> list[float]:
        now = self._clock()
        return [now - started for started in self._running.values()]


class _Silence(Collector):
    """One series for each kind that is watched now: optional kinds come and go."""

    def __init__(self, heard: Callable[[], Mapping[str, float]], clock: Callable[[], float]) -> None:
        self._heard = heard
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        text = "Seconds since the API server last sent news of a kind, or that there is none; Lease: leader election."
        silence = GaugeMetricFamily("fairlead_operator_watch_silence_seconds", text, labels=("kind",))
        for kind, heard_at in self._heard().items():
            silence.add_metric([kind], self._clock() - heard_at)
        yield silence
