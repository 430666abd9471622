"""A broker that does not count deliveries: no event is taken for new, and what may have been called is on record."""

import asyncio
from dataclasses import replace

import pytest
from tests.wrapped import UncountedQueue, WrappedStore

from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.base import FAILURES, PROGRESS

PAYMENTS = {"name": "payments", "port": 8080}
CHARGE = {
    "name": "charge",
    "call": {"service": {**PAYMENTS, "path": "/charge"}},
    "compensate": {"call": {"service": {**PAYMENTS, "path": "/refund"}}},
}
REJECT = {"name": "reject", "set": {"status": "'REJECTED'"}}
MOST_RUNS = 12


@pytest.fixture
def uncounted(lab):
    """A lab whose queue does not count deliveries; open, with a handler of orders that were created."""
    lab.counts_deliveries = False
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [CHARGE], "onFailure": [REJECT]}]}
    return lab.open()


async def dies_in_a_call(lab, payments):
    """The worker begins with what is there, and ends in the middle of its next call."""
    before = len(payments.requests)
    payments.script({"hang": True})
    dying = asyncio.create_task(lab.round())
    await lab.until(lambda: len(payments.requests) > before)
    await lab.kill()
    assert dying.cancelled()
    lab.clock.now += 61
    lab.worker = lab.new_worker()


def paths(payments):
    return [request.path for request in payments.requests]


async def test_an_event_that_was_applied_is_not_applied_again(uncounted):
    await uncounted.create("a")
    (delivery,) = await uncounted.queue.receive(1, wait_seconds=0)
    await uncounted.worker.handle([delivery])
    await uncounted.worker.handle([delivery])
    assert delivery.deliveries is None
    assert uncounted.worker.stats.duplicates["orders.create"] == 1
    assert uncounted.worker.stats.succeeded["orders.create"] == 1


async def test_a_call_that_a_dead_worker_may_have_made_is_undone(uncounted, payments):
    await uncounted.create("a")
    await uncounted.round()
    await dies_in_a_call(uncounted, payments)
    payments.script({"status": 400})
    await uncounted.settle()
    assert paths(payments) == ["/charge", "/charge", "/refund"]


@pytest.mark.parametrize("answers", [[{"status": 400}], [{"status": 409}, {"status": 400}]])
async def test_a_call_that_was_refused_needs_no_undoing(uncounted, payments, answers):
    payments.script(*answers)
    await uncounted.create("a")
    await uncounted.settle()
    assert paths(payments) == ["/charge"] * len(answers)
    (letter,) = await uncounted.letters()
    assert letter.failure.error_code == "http-400"


async def test_nothing_is_called_whose_note_cannot_be_written(uncounted, payments):
    down = True

    class Store(WrappedStore):
        async def commit(self, unit):
            if down and any(record.space == PROGRESS for record in unit.records):
                raise Unavailable("datastore", "it is down")
            return await super().commit(unit)

    uncounted.bindings = replace(uncounted.bindings, store=Store(uncounted.real_store))
    uncounted.worker = uncounted.new_worker()
    await uncounted.create("a")
    await uncounted.round()
    await uncounted.round()
    assert payments.requests == []
    down = False
    await uncounted.settle()
    assert paths(payments) == ["/charge"]
    assert await uncounted.letters() == []


async def test_what_was_handled_leaves_no_note(uncounted, payments):
    await uncounted.create("a")
    await uncounted.round()
    (delivery,) = await uncounted.queue.receive(1, wait_seconds=0)
    await uncounted.worker.handle([delivery])
    assert await uncounted.record(FAILURES, delivery.message.id) is None
    assert await uncounted.record(PROGRESS, delivery.message.id) is None


@pytest.mark.parametrize(("most", "expected"), [(1, 3), (5, 5)])
async def test_an_event_whose_calls_kill_the_process_becomes_a_dead_letter(lab, payments, most, expected):
    payments.hang_on("/charge")
    lab.counts_deliveries = False
    lab.queue_spec["retry"] = {"maxAttempts": most}
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [CHARGE], "onFailure": [REJECT]}]}
    lab.open()
    await lab.create("a")
    runs, ended = 0, False
    while not ended and runs < MOST_RUNS:
        before = len(paths(payments))
        settling = asyncio.create_task(lab.settle())
        await lab.until(lambda: settling.done() or "/charge" in paths(payments)[before:])  # noqa: B023
        ended = settling.done()
        await lab.kill()
        lab.clock.now += 61
        lab.worker = lab.new_worker()
        runs += not ended
    assert runs == expected
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith("worker-died")
    assert (await lab.document_of("a"))["status"] == "REJECTED"


async def test_while_the_store_is_down_the_pauses_grow_with_the_age(lab):
    delays = []

    class Queue(UncountedQueue):
        async def retry(self, delivery, *, delay_seconds):
            delays.append(delay_seconds)
            await super().retry(delivery, delay_seconds=delay_seconds)

    class Down(WrappedStore):
        async def commit(self, unit):
            raise Unavailable("datastore", "it is down")

    lab.queue_spec["retry"] = {"backoff": {"initial": "1s", "factor": 2, "max": "10s"}}
    lab.open()
    lab.bindings = replace(lab.bindings, store=Down(lab.real_store), queue=Queue(lab.real_queue))
    lab.worker = lab.new_worker()
    await lab.create("a")
    for _ in range(6):
        await lab.worker.handle(await lab.bindings.queue.receive(1, wait_seconds=0))
        lab.clock.now += delays[-1]
    assert delays == [1, 2, 4, 8, 10, 10]
