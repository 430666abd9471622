"""Events that end the process each time: a dead letter after the limits, and nothing of it falls on other events.

Each run of the worker is a new process on what the former one left; a run ends when the event ends the process.
"""

import asyncio
from dataclasses import replace

import pytest
from tests.wrapped import WrappedStore

from fairlead_workload.stores.base import FAILURES

SERVICE = {"name": "payments", "port": 8080}
KILL = {"name": "kill", "call": {"service": {**SERVICE, "path": "/kill"}}, "when": "event.subject == 'orders/bad'"}
CONFIRM = {"name": "confirm", "set": {"status": "'CONFIRMED'"}}
REJECT = {"name": "reject", "set": {"status": "'REJECTED'"}}
MOST_RUNS = 12


def handling(lab, *steps, **retry):
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": list(steps), "onFailure": [REJECT]}]}
    lab.queue_spec["retry"] = retry


async def run(lab, kills):
    """One run, until nothing is left to do or `kills` says that the process has ended. Returns whether it has."""
    settling = asyncio.create_task(lab.settle())
    killed = asyncio.create_task(kills())
    await asyncio.wait([settling, killed], return_when=asyncio.FIRST_COMPLETED)
    ended = killed.done()
    if not ended:
        await settling
    await lab.kill()
    await lab.database.close()
    return ended


async def crashes(lab, payments, *, seconds=1):
    """How many runs a call of `/kill` ends, until one comes to the end of its work. Opens the lab again."""
    for number in range(MOST_RUNS):
        if number:
            lab.open()
        if not await run(lab, killing(lab, payments)):
            lab.open()
            return number
        lab.clock.now += seconds
    raise AssertionError(f"it goes on killing after {MOST_RUNS} runs")


def killing(lab, payments):
    """Waits for the next call of `/kill`."""
    before = len(payments.requests)
    return lambda: lab.until(lambda: asked(payments, before))


def asked(payments, before):
    return any(request.path == "/kill" for request in payments.requests[before:])


async def two_deaths(lab):
    """Twice a worker gets the events and ends before it handles one."""
    for _ in range(2):
        await lab.real_queue.receive(10, wait_seconds=0)
        await lab.database.close()
        lab.open()


@pytest.mark.parametrize(("most", "expected"), [(1, 3), (3, 3), (5, 5)])
async def test_an_event_that_kills_the_process_becomes_a_dead_letter_and_innocents_pay_nothing(
    lab, payments, most, expected
):
    payments.hang_on("/kill")
    handling(lab, KILL, CONFIRM, maxAttempts=most)
    lab.open()
    for number in range(20):
        await lab.create(f"o{number}")
        if number == 10:
            await lab.create("bad")
    assert await crashes(lab, payments) == expected
    (letter,) = await lab.letters()
    assert letter.message.key == "orders/bad"
    assert (letter.failure.error_class, letter.failure.error_code) == ("Exhausted", "maxAttempts")
    assert letter.failure.error_message.startswith("worker-died")
    assert letter.failure.attempts == expected
    assert (await lab.document_of("bad"))["status"] == "REJECTED"
    assert {(await lab.document_of(f"o{number}"))["status"] for number in range(20)} == {"CONFIRMED"}


async def test_an_event_that_kills_the_process_ends_after_its_greatest_age(lab, payments):
    payments.hang_on("/kill")
    handling(lab, KILL, maxAttempts=100, maxAge="5s")
    lab.open()
    await lab.create("bad")
    assert await crashes(lab, payments, seconds=3) == 3
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.attempts) == ("Expired", 3)


async def test_what_the_killed_steps_may_have_done_is_undone(lab, payments):
    payments.hang_on("/kill")
    charge = {
        "name": "charge",
        "call": {"service": {**SERVICE, "path": "/charge"}},
        "compensate": {"call": {"service": {**SERVICE, "path": "/refund"}}},
    }
    handling(lab, charge, {**KILL, "compensate": {"call": {"service": {**SERVICE, "path": "/unkill"}}}}, maxAttempts=3)
    lab.open()
    await lab.create("bad")
    assert await crashes(lab, payments) == 3
    assert [request.path for request in payments.requests] == ["/charge", *["/kill"] * 3, "/unkill", "/refund"]


async def test_a_killer_is_tried_alone_and_after_a_pause(lab, payments):
    payments.hang_on("/kill")
    handling(lab, KILL, maxAttempts=5, backoff={"initial": "10s"})
    lab.open()
    await lab.create("bad")
    for _ in range(3):
        assert await run(lab, killing(lab, payments))
        lab.open()
    before = len(payments.requests)
    assert await lab.round()  # counts the third crash
    await lab.create("o1")
    while await lab.round():
        pass
    assert (await lab.document_of("o1"))["status"] == "PENDING"  # it is applied meanwhile
    assert not asked(payments, before)
    lab.clock.now += 10
    assert await run(lab, killing(lab, payments))
    lab.open()


async def test_a_suspect_that_was_innocent_leaves_nothing_behind(lab, payments):
    handling(lab, CONFIRM, maxAttempts=2)
    for _ in range(3):  # three processes that ended with the event, whoever was the cause
        lab.open()
        if not (await lab.real_queue.depth()).ready:
            event = await lab.create("a")
        await lab.real_queue.receive(10, wait_seconds=0)
        await lab.database.close()
    lab.open()
    await lab.settle()
    assert await lab.letters() == []
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert await lab.record(FAILURES, event) is None


async def test_an_ordinary_failure_ends_the_suspicion(lab, payments):
    handling(lab, {"name": "charge", "call": {"service": {**SERVICE, "path": "/charge"}}}, maxAttempts=3)
    lab.open()
    await lab.create("a")
    await lab.round()
    await two_deaths(lab)
    payments.script({"status": 409}, {"status": 409})
    await lab.settle()
    assert len(payments.requests) == 3
    assert await lab.letters() == []


async def test_a_drain_that_cuts_a_suspect_short_is_no_death(lab, payments):
    payments.hang_on("/charge")
    handling(lab, {"name": "charge", "call": {"service": {**SERVICE, "path": "/charge"}}}, maxAttempts=1)
    lab.open()
    await lab.create("a")
    await lab.round()
    await two_deaths(lab)
    running = lab.running()
    await lab.until(lambda: payments.requests)
    await lab.worker.drain(0)
    await running
    payments.always()
    lab.worker = lab.new_worker()
    await lab.settle()
    assert await lab.letters() == []
    assert lab.worker.stats.succeeded["orders.created"] == 1


class Fatal(WrappedStore):
    """A store whose process ends when it is asked for the document `bad`."""

    def __init__(self, store):
        super().__init__(store, lambda _, call: call())
        self.killed = asyncio.Event()

    async def get(self, resource, keys, *, strong=False):
        if ("bad",) in keys:
            self.killed.set()
            await asyncio.Event().wait()
        return await super().get(resource, keys, strong=strong)


async def test_an_accepted_write_that_kills_the_process_fails_its_operation(lab):
    lab.queue_spec["retry"] = {"maxAttempts": 3}
    lab.open()
    bad, good = await lab.create("bad"), await lab.create("good")
    for number in range(MOST_RUNS):
        if number:
            lab.open()
        store = Fatal(lab.real_store)
        lab.bindings = replace(lab.bindings, store=store)
        lab.worker = lab.new_worker()
        if not await run(lab, store.killed.wait):
            break
        lab.clock.now += 1
    lab.open()
    assert number == 3
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith("worker-died")
    assert (await lab.operation(bad))["status"] == "Failed"
    assert (await lab.operation(good))["status"] == "Succeeded"
