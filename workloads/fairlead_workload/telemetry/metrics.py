"""Metrics of the process, its dependencies, caches, queue and worker, in Prometheus' spelling and base units.

Labels are bounded. Everything is read from plain counters when Prometheus asks, without I/O: the depths of queue and
outbox are fetched in the background and may be a few seconds old. Request metrics are in `http.py`.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from fairlead_workload.api.health import Health
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import DependencyError
from fairlead_workload.queues.base import Depth, Queue
from fairlead_workload.sqlite.disk import Disk
from fairlead_workload.stores.base import OutboxSize, OutboxSource
from fairlead_workload.worker.stats import RelayStats, WorkerStats

INTERVAL_SECONDS = 5.0
LAG_INTERVAL_SECONDS = 0.5
MAX_OUTBOX = 1000  # counted up to this many


def register(
    registry: CollectorRegistry,
    bindings: Bindings,
    *,
    depths: "Depths | None" = None,
    disk: Disk | None,
    relay: RelayStats | None = None,
    worker: WorkerStats | None = None,
) -> None:
    """Add the collectors of what is bound to `registry`."""
    registry.register(CacheMetrics(bindings.caches))
    if depths is not None:
        registry.register(depths)
    if disk is not None:
        registry.register(DiskMetrics(disk))
    if relay is not None:
        registry.register(RelayMetrics(relay))
    if worker is not None:
        registry.register(WorkerMetrics(worker))


def register_process(registry: CollectorRegistry, process: "ProcessMetrics", health: Health) -> None:
    """Add the collectors of the process, which are there before anything is bound."""
    registry.register(process)
    registry.register(DependencyMetrics(health))


class ProcessMetrics(Collector):
    """Memory, CPU time, start and event-loop lag. `run` measures the lag until it is cancelled."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._started_at = clock()
        self.loop_lag_seconds = 0.0

    async def run(self) -> None:
        """Keep `loop_lag_seconds`: how much later than scheduled the loop last ran a timer."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL_SECONDS
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            self.loop_lag_seconds = max(0.0, loop.time() - due)

    def collect(self) -> Iterable[Metric]:
        usage = os.times()
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU time of the process, user and system.", value=usage.user + usage.system
        )
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of the process.", value=_resident())
        yield GaugeMetricFamily("process_start_time_seconds", "Start of the process.", value=self._started_at)
        yield GaugeMetricFamily(
            "fairlead_event_loop_lag_seconds", "Delay of callbacks of the event loop.", value=self.loop_lag_seconds
        )


def _resident() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the peak is what can be had
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


class DependencyMetrics(Collector):
    """What the health checks found."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("fairlead_dependency_up", "Whether the dependency answers.", labels=("dependency",))
        for name, dependency in self._health.dependencies.items():
            up.add_metric([name], float(dependency.up))
        yield up


class ConnectionMetrics(Collector):
    """How many connections the public listener takes."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "http_server_max_connections", "Connections accepted at a time; more wait.", value=self._maximum
        )


class DiskMetrics(Collector):
    """The disk of the data directory."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "fairlead_disk_full",
            "Whether a write found the disk full, and there is no room yet.",
            value=self._disk.full,
        )
        yield GaugeMetricFamily(
            "fairlead_disk_free_bytes", "Free bytes on the disk of the data directory.", value=self._disk.free_bytes
        )


class CacheMetrics(Collector):
    """How reads were answered, per resource."""

    def __init__(self, caches: Mapping[str, DocumentCache]) -> None:
        self._caches = caches

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "fairlead_cache_requests", "Reads through the cache, by result.", labels=("resource", "result")
        )
        errors = CounterMetricFamily("fairlead_cache_errors", "Failed calls to the cache.", labels=("resource",))
        refreshes = CounterMetricFamily("fairlead_cache_refreshes", "Early refreshes.", labels=("resource",))
        degraded = GaugeMetricFamily(
            "fairlead_cache_degraded", "Whether reads go past a failing cache.", labels=("resource",)
        )
        for resource, cache in self._caches.items():
            for result, count in _results(cache):
                requests.add_metric([resource, result], count)
            errors.add_metric([resource], cache.errors)
            refreshes.add_metric([resource], cache.refreshes)
            degraded.add_metric([resource], float(cache.degraded))
        yield from (requests, errors, refreshes, degraded)


def _results(cache: DocumentCache) -> Iterable[tuple[str, int]]:
    yield "hit", cache.hits
    yield "negative_hit", cache.negative_hits
    yield "miss", cache.misses
    yield "bypass", cache.bypasses
    yield "collapsed", cache.collapsed


class Depths(Collector):
    """How full queue and outbox are. `run` reads them until it is cancelled; a scrape shows the last values.

    What the broker does not know has no metric. Only workers read the sizes, as they are those of all pods.
    """

    def __init__(self, queue: Queue | None, outbox: OutboxSource | None) -> None:
        self._queue = queue
        self._outbox = outbox
        self.depth: Depth | None = None
        self.outbox: OutboxSize | None = None

    async def run(self) -> None:
        """Refresh again and again."""
        while True:
            await self.refresh()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def refresh(self) -> None:
        """Ask once. What does not answer has no metric until it does."""
        try:
            self.depth = await self._queue.depth() if self._queue is not None else None
        except DependencyError:
            self.depth = None
        try:
            self.outbox = await self._outbox.outbox_size(MAX_OUTBOX) if self._outbox is not None else None
        except DependencyError:
            self.outbox = None

    def collect(self) -> Iterable[Metric]:
        if self.depth is not None:
            yield from self._of_queue(self.depth)
        if self.outbox is not None:
            yield GaugeMetricFamily(
                "fairlead_outbox_pending",
                f"Events not published yet, counted to {MAX_OUTBOX}.",
                value=self.outbox.pending,
            )

    def _of_queue(self, depth: Depth) -> Iterable[Metric]:
        messages = GaugeMetricFamily("fairlead_queue_messages", "Messages in the queue.", labels=("state",))
        for state, count in (("ready", depth.ready), ("delayed", depth.delayed), ("leased", depth.leased)):
            if count is not None:
                messages.add_metric([state], count)
        yield messages
        if depth.dead is not None:
            yield GaugeMetricFamily(
                "fairlead_dead_letters",
                "Dead letters kept, and events that the queue refuses.",
                value=depth.dead + (self.outbox.refused if self.outbox is not None else 0),
            )
        if depth.oldest_seconds is not None:
            yield GaugeMetricFamily(
                "fairlead_queue_oldest_seconds", "Age of the oldest message in the queue.", value=depth.oldest_seconds
            )


class RelayMetrics(Collector):
    """What the relay published, and what waits for it."""

    def __init__(self, stats: RelayStats) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily("fairlead_outbox_published", "Outbox events published.", value=self._stats.published)
        yield GaugeMetricFamily(
            "fairlead_outbox_lag_seconds", "Age of the oldest event not published.", value=self._stats.lag_seconds
        )


class WorkerMetrics(Collector):
    """What the worker counted. Types are declared ones, or `other`."""

    def __init__(self, stats: WorkerStats) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        stats = self._stats
        yield self._events()
        yield self._failures()
        yield self._dead_letters()
        durations = SummaryMetricFamily(
            "fairlead_worker_event_duration_seconds", "Time to handle an event.", labels=("type",)
        )
        for type_, timing in list(stats.handler_seconds.items()):
            durations.add_metric([type_], count_value=timing.count, sum_value=timing.seconds)
        yield durations
        yield GaugeMetricFamily("fairlead_worker_events_in_flight", "Events being handled.", value=stats.in_flight)
        yield GaugeMetricFamily(
            "fairlead_worker_outage",
            "Whether the worker tries one event at a time because the datastore fails.",
            value=stats.outage,
        )
        yield self._called_services()

    def _events(self) -> Metric:
        stats = self._stats
        events = CounterMetricFamily("fairlead_worker_events", "Events by outcome.", labels=("type", "outcome"))
        outcomes = {
            "received": stats.received,
            "succeeded": stats.succeeded,
            "retried": stats.retried,
            "waited": stats.waited,
            "duplicate": stats.duplicates,
        }
        for outcome, counts in outcomes.items():
            for type_, count in list(counts.items()):
                events.add_metric([type_, outcome], count)
        return events

    def _called_services(self) -> Metric:
        up = GaugeMetricFamily(
            "fairlead_called_service_up",
            "Whether a service that handlers call answered last; absent when nothing waits for it.",
            labels=("called_service",),
        )
        for service, answers in self._stats.called().items():
            up.add_metric([service], float(answers))
        return up

    def _failures(self) -> Metric:
        failures = CounterMetricFamily(
            "fairlead_worker_failures", "Failures by type of event and kind.", labels=("type", "kind")
        )
        for (type_, kind), count in list(self._stats.failed.items()):
            failures.add_metric([type_, str(kind)], count)
        return failures

    def _dead_letters(self) -> Metric:
        letters = CounterMetricFamily(
            "fairlead_worker_dead_letters", "Events that became dead letters.", labels=("type", "error_class")
        )
        for (type_, class_), count in list(self._stats.dead_lettered.items()):
            letters.add_metric([type_, str(class_)], count)
        return letters
