"""A cache that other processes serve from: it is updated after every commit, though its answers or those of the store
get lost, or the worker dies.
"""

import asyncio
import json
from dataclasses import replace

import pytest
from tests.integration.worker.conftest import ORDERS, PRODUCTS
from tests.wrapped import WrappedStore

from fairlead_workload.errors import Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import INBOX, Mutation, OutboxEvent, Unit
from fairlead_workload.worker.relay import MAX_UNCONFIRMED, PAGE, UNCONFIRMED_SECONDS, Relay
from fairlead_workload.worker.stats import RelayStats

COUNT = {"name": "count", "set": {"quantity": "document.quantity + 1"}}
CHARGE = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}
NOTIFY = {"name": "notify", "call": {"service": {"name": "payments", "path": "/notify"}}}
# How the document is changed: by a command, or by the handler of the creation.
WAYS = {
    "a command": None,
    "a handler of one unit": [COUNT],
    "a handler with calls, at the end": [CHARGE, COUNT],
    "a handler with calls, in the middle": [COUNT, NOTIFY],
}


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


class Down:
    """The names of the calls of the cache that find none."""

    def __init__(self):
        self.calls = set()

    async def around(self, name, call):
        if name in self.calls:
            raise Unavailable("cache", "connection refused")
        return await call()


async def begin(lab, way):
    """An order with quantity 1, read by another process; the event that makes it 2 is delivered with the next round."""
    steps = WAYS[way]
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": steps}]} if steps else {}
    lab.resources = [PRODUCTS, ORDERS | {"cache": {"strategy": "ReadThrough", "ttl": "1h"}}]
    lab.open()
    lab.down = Down()
    lab.other = lab.share_cache(lab.down.around)["orders"]
    await lab.create("a")
    await lab.worker.handle(await lab.queue.receive(1, wait_seconds=0))
    await lab.worker.publish_outbox()
    if steps is None:
        await lab.send(lab.command(Action.PATCH, "a", {"quantity": 2}))
    assert await shown(lab) == 1


async def shown(lab):
    """What a reader gets from the other process."""
    lookup = await lab.other.read("orders/a")
    return json.loads(lookup.entry.body)["quantity"]


async def stored(lab):
    return (await lab.document_of("a"))["quantity"]


async def test_an_event_is_acknowledged_when_the_cache_has_confirmed_it(lab, way):
    await begin(lab, way)
    lab.down.calls = {"invalidate"}
    await lab.round()
    assert (await stored(lab), await shown(lab)) == (2, 1)
    assert (await lab.real_queue.depth()).delayed == 1
    lab.down.calls = set()
    await lab.settle()
    assert (await stored(lab), await shown(lab)) == (2, 2)
    assert sum(lab.worker.stats.succeeded.values()) == 2
    assert not lab.worker.stats.failed


async def test_the_cache_being_down_keeps_no_event_from_its_effect(lab, way):
    await begin(lab, way)
    lab.down.calls = {"invalidate"}
    for number in range(20):
        await lab.create(f"b{number}")
    await lab.round()
    assert await stored(lab) == 2
    assert all([await lab.document_of(f"b{number}") for number in range(20)])
    assert not lab.worker.stats.outage


async def test_the_cache_is_not_updated_for_longer_than_something_older_can_be_cached(lab, way):
    await begin(lab, way)
    lab.down.calls = {"invalidate"}
    await lab.round()
    lab.clock.now += lab.other.stale_seconds
    await lab.settle(rounds=4)
    assert await shown(lab) == 2


def lose_one_reply(lab, *, hang=False):
    """The next commit that writes a document succeeds, and its reply is lost."""
    left = [1]

    class Store(WrappedStore):
        async def commit(self, unit):
            committed = await super().commit(unit)
            if unit.mutations and left:
                left.clear()
                if hang:
                    await asyncio.Event().wait()
                raise Unavailable("datastore", "the reply is lost")
            return committed

    lab.bindings = replace(lab.bindings, store=Store(lab.real_store))
    lab.worker = lab.new_worker()


async def test_a_commit_without_a_reply_is_seen_at_once(lab, way):
    await begin(lab, way)
    lose_one_reply(lab)
    await lab.round()
    assert (await stored(lab), await shown(lab)) == (2, 2)
    await lab.settle()
    assert (await stored(lab), await shown(lab)) == (2, 2)
    assert await lab.letters() == []


async def test_a_commit_without_a_reply_is_seen_when_its_event_comes_again(lab, way):
    await begin(lab, way)
    lose_one_reply(lab)
    lab.down.calls = {"invalidate"}
    await lab.round()
    assert (await stored(lab), await shown(lab)) == (2, 1)
    lab.down.calls = set()
    await lab.settle()
    assert (await stored(lab), await shown(lab)) == (2, 2)


async def test_a_commit_that_takes_too_long_is_seen_at_once(lab):
    way = "a handler with calls, in the middle"
    await begin(lab, way)
    lab.worker_spec["timeout"] = "100ms"
    lab.bindings = replace(lab.bindings, document=lab.document())
    lose_one_reply(lab, hang=True)
    await lab.round()
    assert (await stored(lab), await shown(lab)) == (2, 2)


async def test_a_commit_whose_worker_died_is_seen_when_its_event_comes_again(lab, way):
    await begin(lab, way)
    committed = asyncio.Event()

    class Store(WrappedStore):
        async def commit(self, unit):
            result = await super().commit(unit)
            if unit.mutations:
                committed.set()
                await asyncio.Event().wait()
            return result

    lab.down.calls = {"invalidate"}  # nothing leaves a dead process
    lab.bindings = replace(lab.bindings, store=Store(lab.real_store))
    lab.worker = lab.new_worker()
    dying = asyncio.create_task(lab.round())
    await committed.wait()
    await lab.kill()
    await asyncio.gather(dying, return_exceptions=True)
    assert (await stored(lab), await shown(lab)) == (2, 1)
    lab.bindings = replace(lab.bindings, store=lab.store)
    lab.share_cache(Down().around)
    lab.clock.now += 61
    await lab.settle()
    assert (await stored(lab), await shown(lab)) == (2, 2)


async def test_what_ended_before_is_known_by_its_inbox_entry(lab):
    await begin(lab, "a command")
    lose_one_reply(lab)
    await lab.round()
    (delivery,) = await later(lab)
    entry = await lab.record(INBOX, delivery.message.id)
    assert entry.created_at == pytest.approx(lab.clock.now - 61, abs=1)
    await lab.worker.handle([delivery])
    assert lab.worker.stats.duplicates["orders.patch"] == 1
    assert (await lab.real_queue.depth()).ready == 0


async def later(lab):
    lab.clock.now += 61
    return await lab.real_queue.receive(10, wait_seconds=0)


# The relay.


class Shared:
    """What the relay has invalidated in the cache, which confirms it unless it is `down`."""

    def __init__(self):
        self.down = False
        self.confirmed = []

    async def invalidate(self, path, version):
        if not self.down:
            self.confirmed.append(path)
        return not self.down


async def relayed(lab, *ids):
    """A relay, and facts in the outbox about these orders."""
    lab.open()
    shared = Shared()
    stats = RelayStats()
    relay = Relay(lab.store, lab.queue, owner="me", invalidate=shared.invalidate, stats=stats, clock=lab.clock)
    await add(lab, *ids)
    return relay, shared, stats


async def add(lab, *ids):
    units = [
        Unit((Mutation("orders", (id_,), {"id": id_}),), outbox=(OutboxEvent(f"e-{id_}", f"orders/{id_}", b"{}"),))
        for id_ in ids
    ]
    await asyncio.gather(*(lab.real_store.commit(unit) for unit in units))


async def left(lab):
    return [row.event.key for row in await lab.real_store.unpublished(1000)]


async def waiting(lab):
    return (await lab.real_queue.depth()).ready


async def test_a_published_event_stays_until_the_cache_has_confirmed_it(lab):
    relay, shared, stats = await relayed(lab, "a", "b")
    shared.down = True
    for _ in range(3):
        assert not await relay.flush(), "nothing waits to be published"
        assert await left(lab) == ["orders/a", "orders/b"]
    assert (await waiting(lab), stats.published, stats.lag_seconds) == (2, 2, 0.0)
    shared.down = False
    assert not await relay.flush()
    assert (shared.confirmed, await left(lab)) == (["orders/a", "orders/b"], [])
    assert (await waiting(lab), stats.published) == (2, 2)


async def test_a_published_event_stays_for_a_minute_at_most(lab):
    relay, shared, _ = await relayed(lab, "a")
    shared.down = True
    await relay.flush()
    lab.clock.now += UNCONFIRMED_SECONDS
    await relay.flush()
    assert (shared.confirmed, await left(lab), await waiting(lab)) == ([], [], 1)


async def test_events_that_stay_keep_no_other_from_being_published(lab):
    many = [f"o{number}" for number in range(PAGE + MAX_UNCONFIRMED)]
    relay, shared, stats = await relayed(lab, *many[:PAGE])
    await add(lab, *many[PAGE:])
    shared.down = True
    assert not await relay.flush()
    assert stats.published == len(many)
    assert len(await left(lab)) == MAX_UNCONFIRMED
    await add(lab, "last")
    assert not await relay.flush()
    assert stats.published == len(many) + 1


async def test_another_process_invalidates_when_the_first_has_died(lab):
    relay, shared, stats = await relayed(lab, "a")
    shared.down = True
    await relay.flush()
    shared.down = False
    lab.clock.now += 16  # its lease has run out
    next_one = Relay(lab.store, lab.queue, owner="next", invalidate=shared.invalidate, stats=stats, clock=lab.clock)
    await next_one.flush()
    assert (shared.confirmed, await left(lab)) == (["orders/a"], [])
    assert await waiting(lab) == 1, "the copy has the same id"


async def test_a_relay_that_lost_its_lease_forgets_what_it_has_published(lab):
    relay, shared, stats = await relayed(lab, "a")
    shared.down = True
    await relay.flush()
    lab.clock.now += 16
    next_one = Relay(lab.store, lab.queue, owner="next", invalidate=shared.invalidate, stats=stats, clock=lab.clock)
    await next_one.flush()
    assert await relay.flush()
    lab.clock.now += 16
    await relay.flush()
    assert stats.published == 3, "it publishes every row that it finds"
    assert await waiting(lab) == 1
