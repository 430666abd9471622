"""`order: Key` on a queue that delivers runs of one key at once, as SQS FIFO, Kafka and Kinesis do.

The queue is the real one with `order: None`, so nothing but the worker keeps the order.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from tests.wrapped import WrappedQueue, WrappedStore

from fairlead_workload.errors import Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import OPERATIONS

CHARGE = {"name": "charge", "call": {"service": {"name": "payments", "port": 8080, "path": "/charge"}}}


@pytest.fixture
def runs(lab):
    """A lab whose queue delivers runs; not open yet."""
    lab.queue_spec = {"type": "SQLite", "order": "Key", "retry": {"backoff": {"initial": "1s", "max": "5s"}}}
    lab.delivers_runs = True
    return lab


class Applied:
    """What a store commits of operations, in order. `fails` says of which commit that it fails."""

    def __init__(self, fails):
        self.operations = []
        self.fails = fails

    def store(self, real):
        applied = self

        class Store(WrappedStore):
            async def commit(self, unit):
                ended = [record.id for record in unit.records if record.space == OPERATIONS]
                if ended and applied.fails(ended[0]):
                    raise Unavailable("datastore", "it is down for a moment")
                result = await super().commit(unit)
                applied.operations += ended
                return result

        return Store(real)


async def writes(lab, *ids, patches):
    """Creations and then patches of each document; the ids of the operations by document, in order of acceptance."""
    accepted = {id_: [await lab.create(id_)] for id_ in ids}
    for quantity in range(2, patches + 2):
        for id_ in ids:
            message = lab.command(Action.PATCH, id_, {"quantity": quantity})
            await lab.send(message)
            accepted[id_].append(message.id)
    return accepted


async def run_until(lab, condition):
    """Run the worker, while the clock passes over the delays, until something is so; then drain it."""

    def passes():
        lab.clock.now += 0.2
        return condition()

    running = lab.running()
    await lab.until(passes)
    await lab.worker.drain(30)
    await running


@pytest.mark.parametrize("seed", range(5))
async def test_writes_of_a_document_are_applied_in_order_whatever_fails(runs, seed):
    random = Random(seed)
    failures = Counter()

    def fails(operation):
        failures[operation] += 1
        return failures[operation] <= 2 and random.random() < 0.3

    runs.open()
    applied = Applied(fails)
    runs.bindings = replace(runs.bindings, store=applied.store(runs.real_store))
    runs.worker = runs.new_worker()
    accepted = await writes(runs, "a", "b", "c", patches=12)
    everything = {operation for operations in accepted.values() for operation in operations}
    await run_until(runs, lambda: everything <= set(applied.operations))
    for operations in accepted.values():
        assert [operation for operation in applied.operations if operation in operations] == operations
    statuses = {(await runs.operation(operation))["status"] for operation in everything}
    assert statuses == {"Succeeded"}
    assert (await runs.document_of("a"))["quantity"] == 13


async def test_calls_for_one_document_are_made_one_after_the_other(runs, payments):
    runs.worker_spec = {
        "concurrency": 8,
        "handlers": [{"event": f"orders.{fact}", "steps": [CHARGE]} for fact in ("created", "updated")],
    }
    runs.open()
    payments.script({"status": 503}, {}, {"status": 503})
    await writes(runs, "a", patches=6)
    charged = runs.worker.stats.succeeded
    await run_until(runs, lambda: charged["orders.created"] + charged["orders.updated"] == 7)
    quantities = [request.body["quantity"] for request in payments.requests]
    assert sorted(set(quantities)) == list(range(1, 8))
    assert quantities == sorted(quantities), "a call overtook an earlier one of its document"


async def test_a_drain_gives_back_what_is_held(runs, payments):
    runs.worker_spec = {"handlers": [{"event": "orders.created", "steps": [CHARGE]}]}
    runs.open()
    await runs.create("a")
    await runs.round()
    payments.hang_on("/charge")
    for quantity in range(2, 6):
        await runs.send(runs.command(Action.PATCH, "a", {"quantity": quantity}))
    running = runs.running()
    await runs.until(lambda: payments.requests and runs.worker.stats.in_flight == 5)
    await runs.worker.drain(0)
    await running
    depth = await runs.real_queue.depth()
    assert (depth.ready, depth.leased) == (5, 0)


async def test_the_leases_of_what_is_held_are_renewed(runs, payments):
    renewed = set()

    class Queue(WrappedQueue):
        async def extend(self, deliveries):
            renewed.update(delivery.message.id for delivery in deliveries)
            await super().extend(deliveries)

    runs.visibility_seconds = 0.4
    runs.worker_spec = {"handlers": [{"event": "orders.created", "steps": [CHARGE]}]}
    runs.open()
    runs.bindings = replace(runs.bindings, queue=Queue(runs.real_queue))
    runs.worker = runs.new_worker()
    await runs.create("a")
    await runs.round()
    payments.hang_on("/charge")
    held = [runs.command(Action.PATCH, "a", {"quantity": quantity}) for quantity in range(2, 5)]
    await runs.send(*held)
    running = runs.running()
    await runs.until(lambda: renewed >= {message.id for message in held})
    await runs.worker.drain(0)
    await running


async def test_an_acknowledgement_that_fails_holds_its_key_until_the_message_is_back(runs):
    failed = asyncio.Event()

    class Queue(WrappedQueue):
        async def ack(self, deliveries):
            if not failed.is_set():
                failed.set()
                raise Unavailable("queue", "it is down for a moment")
            await super().ack(deliveries)

    runs.open()
    runs.bindings = replace(runs.bindings, queue=Queue(runs.real_queue))
    runs.worker = runs.new_worker()
    (operations,) = (await writes(runs, "a", patches=3)).values()

    def applied():
        runs.clock.now += 2
        return runs.worker.stats.succeeded["orders.patch"] == 3

    running = runs.running()
    await runs.until(applied)
    await runs.worker.drain(30)
    await running
    assert runs.worker.stats.duplicates["orders.create"] == 1
    assert [(await runs.operation(id_))["status"] for id_ in operations] == ["Succeeded"] * 4
    assert runs.worker.stats.in_flight == 0
