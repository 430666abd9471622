# ruff: noqa: A005 - always imported by its full name
"""Request metrics with bounded labels (OpenTelemetry semantic conventions, Prometheus spelling), and the access log.

A request is counted in one dictionary look-up and one bisection; Prometheus sees the sums when it asks. Labels are the
method (unknown ones are `_OTHER`), the route's template (`_unmatched` for none) and the status code.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from fairlead_workload.telemetry.access import AccessLog

# Advised by the semantic convention for http.server.request.duration.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
OTHER_METHOD = "_OTHER"
UNMATCHED = "_unmatched"
_LABELS = ("http_request_method", "http_route", "http_response_status_code")
_BOUNDS = (*(str(bound) for bound in BUCKETS), "+Inf")


class _Series:
    """Durations of one combination of labels. `counts` are per bucket, not cumulative."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class RouteMetrics:
    """The series of one route, made as they are needed."""

    __slots__ = ("route", "series")

    def __init__(self, route: str) -> None:
        self.route = route
        self.series: dict[tuple[str, int], _Series] = {}

    def observe(self, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        series = self.series.get((method, status))
        if series is None:
            label = method if method in METHODS else OTHER_METHOD
            series = self.series.setdefault((label, status), _Series())
        series.counts[bisect_left(BUCKETS, seconds)] += 1
        series.total += seconds


class HttpTelemetry(Collector):
    """Counts and logs requests of one listener. `active` is the number of requests under way."""

    def __init__(self, registry: CollectorRegistry, log: AccessLog | None) -> None:
        self._routes: dict[str, RouteMetrics] = {}
        self._log = log
        self.active = 0
        registry.register(self)

    def route(self, template: str) -> RouteMetrics:
        """The metrics of a route, bound when routes are compiled."""
        return self._routes.setdefault(template, RouteMetrics(template))

    def finished(
        self,
        route: RouteMetrics,
        method: str,
        path: str,
        status: int,
        seconds: float,
        size: int,
        *,
        request_id: str,
        trace_id: str = "",
        principal: str = "",
    ) -> None:
        """Count and log one request that has been answered (499: the client went away)."""
        route.observe(method, status, seconds)
        if self._log is not None:
            self._log.add(method, path, route.route, status, seconds, size, request_id, trace_id, principal)

    def flush(self) -> None:
        """Write the log lines that wait."""
        if self._log is not None:
            self._log.flush()

    def collect(self) -> Iterable[Metric]:
        durations = HistogramMetricFamily(
            "http_server_request_duration_seconds", "Duration of HTTP requests.", labels=_LABELS
        )
        for route in self._routes.values():
            for (method, status), series in list(route.series.items()):
                cumulative = accumulate(series.counts)
                buckets = [(bound, float(count)) for bound, count in zip(_BOUNDS, cumulative, strict=True)]
                durations.add_metric([method, route.route, str(status)], buckets, sum_value=series.total)
        yield durations
        active = GaugeMetricFamily("http_server_active_requests", "HTTP requests under way.")
        active.add_metric([], self.active)
        yield active
