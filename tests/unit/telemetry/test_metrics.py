"""Metrics are read from counters, with bounded labels and base units."""

import asyncio
from types import SimpleNamespace

from prometheus_client.registry import Collector, CollectorRegistry

from fairlead_workload.errors import Unavailable
from fairlead_workload.queues.base import Depth
from fairlead_workload.telemetry.metrics import CacheMetrics, Depths, ProcessMetrics, WorkerMetrics
from fairlead_workload.worker.stats import WorkerStats


def registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


class FakeQueue:
    """A queue with a depth, or none."""

    def __init__(self) -> None:
        self.down = False

    async def depth(self) -> Depth:
        if self.down:
            raise Unavailable("queue", "gone")
        return Depth(ready=3, delayed=2, leased=1, dead=4, oldest_seconds=1.5)

    async def unpublished(self, limit: int) -> list[int]:
        return list(range(7))[:limit]


async def test_depths_are_those_of_the_last_refresh() -> None:
    queue = FakeQueue()
    depths = Depths(queue, queue)  # type: ignore[arg-type]
    found = registry(depths)
    assert found.get_sample_value("fairlead_queue_messages", {"state": "ready"}) is None
    await depths.refresh()
    states = [found.get_sample_value("fairlead_queue_messages", {"state": s}) for s in ("ready", "delayed", "leased")]
    assert states == [3, 2, 1]
    assert found.get_sample_value("fairlead_dead_letters") == 4
    assert found.get_sample_value("fairlead_queue_oldest_seconds") == 1.5
    assert found.get_sample_value("fairlead_outbox_pending") == 7
    queue.down = True
    await depths.refresh()
    assert found.get_sample_value("fairlead_dead_letters") is None, "what is not known is not told"


def test_worker_counters() -> None:
    stats = WorkerStats(frozenset({"orders.created"}))
    stats.succeeded[stats.label("orders.created")] += 2
    stats.succeeded[stats.label("made.up")] += 1
    stats.failed["orders.created", "dependency"] += 5
    stats.dead_lettered["orders.created", "Exhausted"] += 1
    stats.took("orders.created", 0.5)
    found = registry(WorkerMetrics(stats))
    events = "fairlead_worker_events_total"
    assert found.get_sample_value(events, {"type": "orders.created", "outcome": "succeeded"}) == 2
    assert found.get_sample_value(events, {"type": "other", "outcome": "succeeded"}) == 1
    failures = {"type": "orders.created", "kind": "dependency"}
    assert found.get_sample_value("fairlead_worker_failures_total", failures) == 5
    letters = {"type": "orders.created", "error_class": "Exhausted"}
    assert found.get_sample_value("fairlead_worker_dead_letters_total", letters) == 1
    duration = "fairlead_worker_event_duration_seconds_sum"
    assert found.get_sample_value(duration, {"type": "orders.created"}) == 0.5


def test_cache_counters() -> None:
    counters = ("hits", "negative_hits", "misses", "bypasses", "refreshes", "collapsed", "errors")
    cache = SimpleNamespace(degraded=True, **{name: number for number, name in enumerate(counters)})
    found = registry(CacheMetrics({"orders": cache}))  # type: ignore[dict-item]
    labels = {"resource": "orders", "result": "miss"}
    assert found.get_sample_value("fairlead_cache_requests_total", labels) == 2
    assert found.get_sample_value("fairlead_cache_errors_total", {"resource": "orders"}) == 6
    assert found.get_sample_value("fairlead_cache_degraded", {"resource": "orders"}) == 1


async def test_process_metrics() -> None:
    process = ProcessMetrics(clock=lambda: 1_767_225_600.0)
    running = asyncio.create_task(process.run())
    await asyncio.sleep(0)
    running.cancel()
    found = registry(process)
    assert found.get_sample_value("process_start_time_seconds") == 1_767_225_600.0
    assert (found.get_sample_value("process_resident_memory_bytes") or 0) > 1_000_000
    assert (found.get_sample_value("process_cpu_seconds_total") or 0) > 0
    assert found.get_sample_value("fairlead_event_loop_lag_seconds") == 0
