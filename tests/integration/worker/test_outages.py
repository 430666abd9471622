"""Outages of store, queue and services: nothing is lost or becomes a dead letter, one event at a time is tried."""

import asyncio
from dataclasses import replace

import pytest
from tests.wrapped import WrappedStore

from fairlead_workload.errors import Conflict, ConflictKind, Refused, Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import LEASES, OPERATIONS, PROGRESS
from fairlead_workload.worker.failures.outage import THRESHOLD
from fairlead_workload.worker.relay import LEASE_ID, LEASE_SECONDS, PAGE, Relay
from fairlead_workload.worker.stats import RelayStats

CONFIRM = {"event": "orders.created", "steps": [{"name": "confirm", "set": {"status": "'CONFIRMED'"}}]}


CHARGE = {
    "event": "orders.created",
    "steps": [{"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}],
}


class Troubles:
    """Calls of the store, by name: those there were, and those that do not work for now."""

    def __init__(self):
        self.calls = set()
        self.broken = set()

    async def around(self, name, call):
        self.calls.add(name)
        if name in self.broken:
            raise Unavailable("datastore", "it is down")
        return await call()


def opened(lab, **worker):
    """The lab with a store that can break; what happens to it."""
    lab.worker_spec = worker
    lab.open()
    troubles = Troubles()
    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, troubles.around))
    lab.worker = lab.new_worker()
    return troubles


async def test_a_store_that_is_down_delays_commands_and_loses_none(lab):
    lab.queue_spec["retry"] = {"maxAttempts": 1}
    troubles = opened(lab)
    ids = [await lab.create(f"o{number}") for number in range(20)]
    troubles.broken = {"get", "commit", "records"}
    for _ in range(5):
        await lab.round()
        lab.clock.now += 400
    assert lab.worker.stats.outage
    troubles.broken = set()
    await lab.settle()
    assert not lab.worker.stats.outage
    assert await lab.letters() == []
    assert {(await lab.operation(id_))["status"] for id_ in ids} == {"Succeeded"}


async def test_in_outage_mode_one_event_is_fetched_at_a_time(lab):
    troubles = opened(lab)
    for number in range(THRESHOLD + 5):
        await lab.create(f"o{number}")
    troubles.broken = {"commit"}
    limits = []
    receive = lab.real_queue.receive

    async def watched(limit, *, wait_seconds):
        limits.append(limit)
        lab.clock.now += 400
        return await receive(limit, wait_seconds=0)

    lab.real_queue.receive = watched
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: limits.count(1) >= 2)
    assert lab.worker.stats.outage
    troubles.broken = set()
    await lab.until(lambda: lab.worker.stats.succeeded.total() >= THRESHOLD + 5)
    assert not lab.worker.stats.outage
    await lab.worker.drain(30)
    await running


async def test_a_service_that_is_down_holds_up_only_the_calls_to_it(lab, payments):
    payments.always(status=503)
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    limits = set()
    receive = lab.real_queue.receive

    async def without_waiting(limit, *, wait_seconds):
        limits.add(limit)
        lab.clock.now += 4
        return await receive(limit, wait_seconds=0)

    lab.real_queue.receive = without_waiting
    for number in range(2 * THRESHOLD):
        await lab.create(f"o{number}")
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: lab.worker.stats.called() == {"payments": False})
    ids = [await lab.create(f"later{number}") for number in range(50)]
    await lab.until(lambda: lab.worker.stats.succeeded["orders.create"] >= 2 * THRESHOLD + 50)
    assert {(await lab.operation(id_))["status"] for id_ in ids} == {"Succeeded"}
    assert lab.worker.stats.succeeded["orders.created"] == 0
    assert lab.worker.stats.called() == {"payments": False}
    assert not lab.worker.stats.outage
    assert 1 not in limits  # events are fetched in batches all the same
    payments.always(status=200)
    await lab.until(lambda: lab.worker.stats.succeeded["orders.created"] >= 2 * THRESHOLD + 50)
    assert lab.worker.stats.called() == {"payments": True}
    await lab.worker.drain(30)
    await running
    assert await lab.letters() == []


@pytest.mark.parametrize("status", [503, 429])
async def test_what_is_known_of_a_service_ends_with_the_last_event_that_waits_for_it(lab, payments, status):
    lab.queue_spec["retry"] = {"maxAge": "10m"}
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    payments.always(status=status)
    await lab.create("a")
    known = []
    while not await lab.letters():
        await lab.round()
        known.append(lab.worker.stats.called())
        lab.clock.now += 120
    assert known[0] == {}
    assert all(each == {"payments": False} for each in known[1:])
    lab.clock.now += 400
    assert lab.worker.stats.called() == {}


async def test_a_service_that_refuses_is_up(lab, payments):
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    payments.always(status=402)
    await lab.create("a")
    await lab.settle()
    assert lab.worker.stats.called() == {"payments": True}


async def test_an_outage_of_the_store_ends_though_another_worker_took_the_events(lab):
    troubles = opened(lab)
    for number in range(THRESHOLD):
        await lab.create(f"o{number}")
    troubles.broken = {"get", "commit", "records"}
    await lab.round()
    assert lab.worker.stats.outage
    troubles.broken = set()
    other = lab.new_worker()
    lab.clock.now += 400
    await other.handle(await lab.queue.receive(100, wait_seconds=0))
    assert other.stats.succeeded["orders.create"] == THRESHOLD
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: not lab.worker.stats.outage)
    await lab.worker.drain(30)
    await running
    await other.drain(0)


async def test_while_the_store_is_down_an_empty_queue_ends_no_outage(lab):
    troubles = opened(lab)
    for number in range(THRESHOLD):
        await lab.create(f"o{number}")
    troubles.broken = {"get", "commit", "records", "check"}
    await lab.round()
    troubles.calls.clear()
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: "check" in troubles.calls)
    assert lab.worker.stats.outage
    await lab.worker.drain(30)
    await running


SLOW = {
    "calls that outlast the event": {"timeout": "10s"},
    "calls that outlast their own limit": {"timeout": "50ms"},
}


@pytest.mark.parametrize("case", SLOW)
async def test_handlers_that_run_out_of_time_are_no_outage(lab, payments, case):
    payments.always(hang=True)
    charge = CHARGE["steps"][0]
    lab.worker_spec = {
        "timeout": "300ms",
        "handlers": [{**CHARGE, "steps": [{**charge, "call": {**charge["call"], **SLOW[case]}}]}],
    }
    lab.open()
    limits = set()
    receive = lab.real_queue.receive

    async def watched(limit, *, wait_seconds):
        limits.add(limit)
        return await receive(limit, wait_seconds=0.02)

    lab.real_queue.receive = watched
    for number in range(2 * THRESHOLD):
        await lab.create(f"o{number}")
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: lab.worker.stats.failed["orders.created", "dependency"] >= THRESHOLD)
    limits.clear()
    await lab.until(lambda: limits)
    assert 1 not in limits  # events are fetched in batches all the same
    write = lab.command(Action.CREATE, "p", {}, resource="products")
    await lab.send(write)
    await lab.until(lambda: lab.worker.stats.succeeded["products.create"])
    assert (await lab.operation(write.id))["status"] == "Succeeded"
    assert lab.worker.stats.called() == {"payments": False}
    await lab.worker.drain(0)
    await running


async def test_writers_that_are_faster_are_no_outage(lab):
    opened(lab)

    async def beaten(name, call):
        if name == "commit":
            raise Conflict(ConflictKind.VERSION, "orders/a")
        return await call()

    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, beaten))
    lab.worker = lab.new_worker()
    for number in range(2 * THRESHOLD):
        await lab.create(f"o{number}")
    await lab.round()
    assert lab.worker.stats.failed["orders.create", "dependency"] == 2 * THRESHOLD
    assert not lab.worker.stats.outage


async def test_an_idle_relay_writes_nothing(lab):
    troubles = opened(lab, handlers=[CONFIRM])
    await lab.create("a")
    await lab.settle()
    troubles.calls.clear()
    for _ in range(10):
        await lab.round()
        lab.clock.now += 30
    assert troubles.calls == {"records", "unpublished"}


async def test_the_relay_keeps_the_order_of_a_document_when_the_queue_fails(lab):
    lab.worker_spec = {
        "handlers": [{**CONFIRM, "event": f"orders.{fact}"} for fact in ("created", "updated", "deleted")]
    }
    lab.open()
    published = []
    real_publish = lab.real_queue.publish
    failing = {"orders/a"}

    async def publish(messages):
        errors = []
        for message in messages:
            if message.key in failing and b"created" in message.body:  # the later ones could be published
                errors.append(Unavailable("queue", "down"))
            else:
                published.append((message.key, message.body))
                errors.extend(await real_publish([message]))
        return errors

    await lab.send(
        *(
            message
            for id_ in "ab"
            for message in (
                lab.command(Action.CREATE, id_, {"quantity": 1}),
                lab.command(Action.PATCH, id_, {"quantity": 2}),
                lab.command(Action.DELETE, id_),
            )
        )
    )
    lab.real_queue.publish = publish
    deliveries = await lab.real_queue.receive(10, wait_seconds=0)
    await lab.worker.handle(deliveries)
    assert await lab.worker.publish_outbox()
    assert [key for key, _ in published] == ["orders/b"] * 3
    failing.clear()
    assert not await lab.worker.publish_outbox()
    assert [key for key, _ in published] == ["orders/b"] * 3 + ["orders/a"] * 3
    for key in ("orders/a", "orders/b"):
        kinds = [body for one, body in published if one == key]
        assert [kind in body for kind, body in zip((b"created", b"updated", b"deleted"), kinds, strict=True)] == [
            True
        ] * 3


async def created_with_facts(lab, *names):
    """Orders of these names, whose facts wait in the outbox."""
    lab.worker_spec = {"handlers": [CONFIRM]}
    lab.open()
    await lab.send(*(lab.command(Action.CREATE, name, {"quantity": 1}) for name in names))
    while deliveries := await lab.real_queue.receive(100, wait_seconds=0):
        await lab.worker.handle(deliveries)


def answer_publishes(lab, keys, error):
    """The queue answers messages of these keys with the error. Returns the keys that were published."""
    real_publish = lab.real_queue.publish
    published = []

    async def publish(messages):
        errors = []
        for message in messages:
            if message.key in keys:
                errors.append(error)
            else:
                published.append(message.key)
                errors.extend(await real_publish([message]))
        return errors

    lab.real_queue.publish = publish
    return published


async def test_events_that_the_queue_refuses_hold_up_no_other(lab):
    names = [f"bad{number}" for number in range(PAGE + 1)]
    refused = {f"orders/{name}" for name in names}
    await created_with_facts(lab, *names, "good")
    published = answer_publishes(lab, refused, Refused("queue", "the message is too large"))
    assert not await lab.worker.publish_outbox()
    assert published == ["orders/good"]
    assert (await lab.real_store.outbox_size(1)).pending == 0
    events = await lab.real_store.refused(PAGE + 2)
    assert {each.event.key for each in events} == refused
    assert {each.reason for each in events} == {"the message is too large"}
    refused.clear()
    await lab.real_store.unrefuse([each.number for each in events])
    assert not await lab.worker.publish_outbox()
    assert len(published) == PAGE + 2


async def test_events_of_other_documents_go_past_those_that_have_to_wait(lab):
    names = [f"slow{number}" for number in range(PAGE - 1)]
    waiting = {f"orders/{name}" for name in names}
    await created_with_facts(lab, *names, "first", "second")
    published = answer_publishes(lab, waiting, Unavailable("queue", "its shard is throttled"))
    assert await lab.worker.publish_outbox()
    assert published == ["orders/first", "orders/second"]
    waiting.clear()
    assert not await lab.worker.publish_outbox()
    assert len(published) == PAGE + 1


async def test_one_relay_at_a_time_publishes_and_another_takes_over(lab):
    lab.worker_spec = {"handlers": [CONFIRM]}
    lab.open()

    async def invalidate(path, version):
        return True

    def relay(owner):
        stats = RelayStats()
        return Relay(lab.store, lab.queue, owner=owner, invalidate=invalidate, stats=stats, clock=lab.clock)

    first, second = relay("first"), relay("second")

    async def commit_one(id_):
        await lab.create(id_)
        await lab.worker.handle(await lab.real_queue.receive(10, wait_seconds=0))

    await commit_one("a")
    assert not await first.flush()
    await commit_one("b")
    assert await second.flush()
    lab.clock.now += LEASE_SECONDS + 1
    assert not await second.flush()
    await commit_one("c")
    assert await first.flush()
    await second.release()
    assert await lab.record(LEASES, LEASE_ID) is None
    assert not await first.flush()


async def test_drain_finishes_what_runs_and_gives_back_the_rest(lab, payments):
    charge = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}
    lab.worker_spec = {"concurrency": 1, "handlers": [{"event": "orders.created", "steps": [charge]}]}
    lab.open()
    for id_ in "abc":
        await lab.create(id_)
    running = asyncio.create_task(lab.worker.run())
    payments.script({"hang": True})
    await lab.until(lambda: payments.requests)
    await lab.worker.drain(0.05)
    await running
    depth = await lab.real_queue.depth()
    assert (depth.leased, depth.delayed, depth.dead) == (0, 0, 0)
    assert depth.ready + len(await lab.real_store.unpublished(10)) == 3
    lab.worker = lab.new_worker()
    await lab.settle()
    assert lab.worker.stats.succeeded["orders.created"] == 3


async def test_drain_begins_nothing_and_cuts_no_call_short(lab, payments):
    lab.worker_spec = {"concurrency": 1, "handlers": [CHARGE]}
    lab.open()
    for number in range(20):  # more than may wait their turn, so that one fetch is still handing out
        await lab.create(f"o{number}")
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: payments.requests)
    await lab.worker.drain(30)
    await running
    assert 1 <= len(payments.requests) == lab.worker.stats.succeeded["orders.created"] < 20
    depth = await lab.real_queue.depth()
    assert (depth.leased, depth.delayed, depth.dead) == (0, 0, 0)
    assert depth.ready + len(await lab.real_store.unpublished(30)) == 20 - len(payments.requests)


async def test_run_handles_what_arrives_until_drained(lab):
    lab.worker_spec = {"handlers": [CONFIRM]}
    lab.open()
    running = asyncio.create_task(lab.worker.run())
    ids = [await lab.create(f"o{number}") for number in range(50)]
    await lab.until(lambda: lab.worker.stats.succeeded["orders.created"] >= 50)
    await lab.worker.drain(30)
    await running
    assert {(await lab.document_of(f"o{number}"))["status"] for number in range(50)} == {"CONFIRMED"}
    assert await lab.record(OPERATIONS, ids[0]) is not None
    assert await lab.record(PROGRESS, ids[0]) is None


async def test_leases_of_long_handlers_are_renewed(lab, payments):
    charge = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [charge]}]}
    lab.visibility_seconds = 0.2
    lab.open()
    extended = []
    real_extend = lab.real_queue.extend

    async def extend(deliveries):
        extended.extend(deliveries)
        await real_extend(deliveries)

    lab.real_queue.extend = extend
    lab.worker = lab.new_worker()
    payments.script({"hang": True})
    await lab.create("a")
    running = asyncio.create_task(lab.worker.run())
    await lab.until(lambda: extended)
    assert extended[0].message.key == "orders/a"
    await lab.worker.drain(0)
    await running
