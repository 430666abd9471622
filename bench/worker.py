"""How many events a second the worker applies to SQLite, synchronous=FULL. Prints one JSON line.

    taskset -c 0 python bench/worker.py [--count 20000] [--facts] [--profile]

Publishes the commands (with `--facts`: creations whose facts a `set` step handles, two events each), then times the
worker until all are applied and acknowledged.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import tempfile
import time
from pathlib import Path

import uvloop

from fairlead_contract.resources import ApiService
from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_workload import memory
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers
from fairlead_workload.model.effects import Action, Command
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.base import Expect
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.worker.loop import Worker

SCHEMA = {
    "type": "object",
    "required": ["customerId", "quantity"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "customerId": {"type": "string", "maxLength": 64},
        "quantity": {"type": "integer", "minimum": 1},
        "createdAt": {"type": "string", "format": "date-time", "readOnly": True},
        "status": {"type": "string", "default": "PENDING", "readOnly": True},
    },
}


def service(*, facts: bool) -> RuntimeDocument:
    orders = {
        "name": "orders",
        "key": {"partition": "id"},
        "writes": "Accepted",
        "cache": {"strategy": "ReadThrough"},
        "timestamps": {"created": "createdAt"},
        "indexes": [{"name": "byCustomer", "partition": "customerId", "sort": "createdAt"}],
        "schema": SCHEMA,
    }
    handler = {"event": "orders.created", "steps": [{"name": "confirm", "set": {"status": "'CONFIRMED'"}}]}
    spec = {
        "api": {"version": "v1", "resources": [orders]},
        "datastore": {"type": "SQLite"},
        "cache": {"type": "Memory"},
        "queue": {"type": "SQLite"},
        "worker": {"handlers": [handler] if facts else []},
    }
    metadata = {"name": "orders", "namespace": "bench"}
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService"}
    return derive(ApiService.model_validate({**head, "metadata": metadata, "spec": spec}))


def command(number: int) -> Message:
    id_ = identifiers.uuid7()
    body = {"customerId": f"c{number % 100}", "quantity": 1 + number % 9}
    order = Command("orders", Action.CREATE, (id_,), body, Expect.ANY, time.time())
    event = command_event(order, id_=id_, source="/bench/orders", principal="", operation=f"op{number}")
    return Message(id_, f"orders/{id_}", cloudevents.encode(event))


def bind(document: RuntimeDocument, database: Database) -> Bindings:
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    store = SqliteStore(database, document.api.resources)
    cache = MemoryCache(10_000)

    async def fetch(path: str, strong: bool) -> Fetched:
        raise AssertionError(f"nobody reads {path} ({strong})")

    caches = {
        name: DocumentCache(name, policy_of(resource.spec.cache, strong=False), cache, fetch)
        for name, resource in resources.items()
    }
    return Bindings(document, resources, store, caches, cache, SqliteQueue(database), OperationIds(b"b" * 32))


async def measure(count: int, *, facts: bool, data_dir: Path) -> dict[str, float]:
    database = Database.open(data_dir)
    bindings = bind(service(facts=facts), database)
    queue = bindings.queue
    assert queue is not None
    for start in range(0, count, 1000):
        await queue.publish([command(number) for number in range(start, min(start + 1000, count))])
    worker = Worker(bindings)
    memory.settle()  # as `fairlead run` does when it has started
    total = count * 2 if facts else count
    began, processor = time.perf_counter(), time.process_time()
    running = asyncio.create_task(worker.run())
    while worker.stats.succeeded.total() < total:  # the counter is what is measured
        await asyncio.sleep(0.01)
    elapsed, used = time.perf_counter() - began, time.process_time() - processor
    await worker.drain(5)
    await running
    depth = await queue.depth()
    assert depth.ready + depth.leased + depth.delayed + depth.dead == 0
    await database.close()
    return {
        "events": total,
        "seconds": round(elapsed, 3),
        "events_per_second": round(total / elapsed),
        "cpu_seconds": round(used, 3),
    }


def report(folder: Path) -> None:
    """Measure both kinds of events and print their rates."""
    for facts, name in ((False, "worker: accepted writes"), (True, "worker: with a set step each")):
        data_dir = folder / ("facts" if facts else "commands")
        data_dir.mkdir(parents=True)
        result = uvloop.run(measure(10_000, facts=facts, data_dir=data_dir))
        per_event = result["cpu_seconds"] / result["events"] * 1e6
        print(
            f"{name:<34} {result['events_per_second']:5.0f} events/s (goal 4000), {per_event:.0f} us each",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--facts", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        result = uvloop.run(measure(options.count, facts=options.facts, data_dir=Path(data_dir)))
        if options.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    print(json.dumps({"benchmark": "worker", "handlers": "set" if options.facts else "commands", **result}))


if __name__ == "__main__":
    main()
