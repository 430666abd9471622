"""Metrics are read from counters, with bounded labels and base units."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
from prometheus_client.registry import Collector, CollectorRegistry
from tests.embedded import open_database
from tests.wrapped import WrappedCache, WrappedQueue, WrappedStore

from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, Policy
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Unavailable
from fairlead_workload.queues.base import Depth, Failure, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite.disk import Disk
from fairlead_workload.stores.base import OutboxEvent, Unit
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.telemetry.metrics import CacheMetrics, Depths, DiskMetrics, ProcessMetrics, WorkerMetrics
from fairlead_workload.worker.stats import WorkerStats

STATES = ("ready", "delayed", "leased")
T = TypeVar("T")


def registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


START = 1_800_000_000.0
FAILURE = Failure("Rejected", "schema", "no such property", 1, START, START, "0.1.0")


async def fill(store: SqliteStore, queue: SqliteQueue) -> None:
    """Three messages that are ready, two delayed and one leased, four dead letters, and seven events in the outbox."""
    await queue.publish([Message(str(number), "k", b"") for number in range(5)])
    for delivery in (await queue.receive(5, wait_seconds=0))[:4]:
        await queue.dead_letter(delivery, FAILURE)
    await queue.publish([Message(f"late-{number}", "k", b"") for number in range(2)])
    for delivery in await queue.receive(2, wait_seconds=0):
        await queue.retry(delivery, delay_seconds=60)
    await queue.publish([Message(f"ready-{number}", "k", b"") for number in range(3)])
    await store.commit(Unit(outbox=tuple(OutboxEvent(str(number), "k", b"", None) for number in range(7))))


async def test_depths_are_those_of_the_last_refresh() -> None:
    now, is_down = START, False

    async def around(name: str, call: Callable[[], Awaitable[T]]) -> T:
        if is_down:
            raise Unavailable("queue", "gone")
        return await call()

    async with open_database() as database:
        store, queue = SqliteStore(database, []), SqliteQueue(database, clock=lambda: now)
        await fill(store, queue)
        now += 1.5
        depths = Depths(WrappedQueue(queue, around), WrappedStore(store, around))
        found = registry(depths)
        assert found.get_sample_value("fairlead_queue_messages", {"state": "ready"}) is None
        await depths.refresh()
        states = {s: found.get_sample_value("fairlead_queue_messages", {"state": s}) for s in STATES}
        assert states == {"ready": 3, "delayed": 2, "leased": 1}
        assert found.get_sample_value("fairlead_dead_letters") == 4
        assert found.get_sample_value("fairlead_queue_oldest_seconds") == 1.5
        assert found.get_sample_value("fairlead_outbox_pending") == 7
        is_down = True
        await depths.refresh()
    for name in ("fairlead_dead_letters", "fairlead_outbox_pending"):
        assert found.get_sample_value(name) is None, "what is not known is not reported"


@pytest.mark.parametrize("unknown", ["ready", "delayed", "leased", "dead", "oldest_seconds"])
async def test_what_the_broker_does_not_know_has_no_metric(unknown: str) -> None:
    class Vague(WrappedQueue):
        async def depth(self) -> Depth:
            return replace(await super().depth(), **{unknown: None})

    async with open_database() as database:
        depths = Depths(Vague(SqliteQueue(database)), None)
        await depths.refresh()
    found = registry(depths)
    values: dict[str, float | None] = {
        state: found.get_sample_value("fairlead_queue_messages", {"state": state}) for state in STATES
    }
    values["dead"] = found.get_sample_value("fairlead_dead_letters")
    values["oldest_seconds"] = found.get_sample_value("fairlead_queue_oldest_seconds")
    assert values == {name: None if name == unknown else 0 for name in values}


def test_a_full_disk_has_a_metric(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    found = registry(DiskMetrics(disk))
    assert found.get_sample_value("fairlead_disk_full") == 0
    assert (found.get_sample_value("fairlead_disk_free_bytes") or 0) > 0
    disk.note()
    assert found.get_sample_value("fairlead_disk_full") == 1


def test_worker_counters() -> None:
    stats = WorkerStats(frozenset({"orders.created"}))
    stats.succeeded[stats.label("orders.created")] += 2
    stats.succeeded[stats.label("made.up")] += 1
    stats.failed["orders.created", "dependency"] += 5
    stats.dead_lettered["orders.created", "Exhausted"] += 1
    stats.observe_duration("orders.created", 0.5)
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


def test_called_services_have_a_gauge_each_and_none_when_nothing_is_known() -> None:
    known = {"payments": False, "stock": True}
    stats = WorkerStats(frozenset(), called=lambda: known)
    found = registry(WorkerMetrics(stats))
    gauge = "fairlead_called_service_up"
    assert found.get_sample_value(gauge, {"called_service": "payments"}) == 0
    assert found.get_sample_value(gauge, {"called_service": "stock"}) == 1
    known.clear()
    assert found.get_sample_value(gauge, {"called_service": "payments"}) is None


async def test_cache_counters() -> None:
    async def fetch(key: str, strong: bool) -> Fetched:
        return Fetched(b"{}", 1, '"1"')

    async def down(name: str, call: object) -> NoReturn:
        raise Unavailable("cache", "gone")

    memory = MemoryCache(10)
    caches = {
        "orders": DocumentCache("orders", Policy(ttl_seconds=60), memory, fetch),
        "carts": DocumentCache("carts", Policy(ttl_seconds=60), WrappedCache(memory, down), fetch),
    }
    for name in ("orders", "orders", "orders", "carts"):
        await caches[name].read(f"{name}/1")
    found = registry(CacheMetrics(caches))
    for result, count in (("miss", 1), ("hit", 2)):
        labels = {"resource": "orders", "result": result}
        assert found.get_sample_value("fairlead_cache_requests_total", labels) == count
    for resource, is_degraded in (("orders", 0), ("carts", 1)):
        labels = {"resource": resource}
        assert found.get_sample_value("fairlead_cache_degraded", labels) == is_degraded
        assert bool(found.get_sample_value("fairlead_cache_errors_total", labels)) == is_degraded


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
