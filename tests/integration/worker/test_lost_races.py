"""What the worker does when others are always faster, when its own record cannot be written, or an event comes late."""

from dataclasses import replace

import pytest
from tests.wrapped import WrappedQueue, WrappedStore

from fairlead_workload.errors import Conflict, Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import Expect, Mutation, Unit

HOUR = 3600


class Rival:
    """Changes the document right before each commit of the worker while it is `active`; counts the lost ones."""

    def __init__(self, lab):
        self.active = True
        self.lost = 0
        self._lab = lab

    async def around(self, name, call):
        if name != "commit" or not self.active:
            return await call()
        document = {"id": "a", "quantity": 1, "status": "PENDING"}
        await self._lab.real_store.commit(Unit(mutations=(Mutation("orders", ("a",), document, Expect.ANY),)))
        try:
            return await call()
        except Conflict:
            self.lost += 1
            raise


async def test_a_command_that_loses_ten_times_waits_and_is_applied_later(lab):
    lab.open()
    await lab.create("a")
    await lab.settle()
    rival = Rival(lab)
    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, rival.around))
    lab.worker = lab.new_worker()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 7}))
    await lab.round()
    assert rival.lost == 10
    assert (await lab.real_queue.depth()).delayed == 1
    rival.active = False
    await lab.settle()
    assert (await lab.document_of("a"))["quantity"] == 7
    assert await lab.letters() == []


async def test_no_dead_letter_is_written_whose_record_cannot_be(lab):
    lab.queue_spec["retry"] = {"maxAge": "1h"}
    lab.open()
    broken = {"commit"}

    async def around(name, call):
        if name in broken:
            raise Unavailable("datastore", "it is down")
        return await call()

    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, around))
    lab.worker = lab.new_worker()
    operation = await lab.create("a")
    lab.clock.now += 2 * HOUR  # older than the store may be down
    await lab.round()
    assert await lab.letters() == []
    assert (await lab.real_queue.depth()).delayed == 1
    broken.clear()
    await lab.settle()
    assert await lab.letters() == []
    assert (await lab.operation(operation))["status"] == "Succeeded"


@pytest.mark.parametrize("hours", [25, 71])
async def test_an_event_that_comes_again_as_late_as_it_may_has_no_second_effect(lab, hours):
    lab.queue_spec["retry"] = {"maxAge": "72h"}
    lab.open()
    await lab.create("a")
    await lab.settle()

    async def around(name, call):
        if name == "ack":
            raise Unavailable("queue", "it is down")
        return await call()

    lab.bindings = replace(lab.bindings, queue=WrappedQueue(lab.real_queue, around))
    lab.worker = lab.new_worker()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 7}))
    await lab.round()
    assert (await lab.document_of("a"))["quantity"] == 7
    lab.bindings = replace(lab.bindings, queue=lab.queue)
    lab.worker = lab.new_worker()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 8}))
    deliveries = await lab.queue.receive(100, wait_seconds=0)
    await lab.worker.handle(deliveries)
    lab.clock.now += hours * HOUR
    await lab.settle()
    assert (await lab.document_of("a"))["quantity"] == 8
