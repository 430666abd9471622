"""A handler that is taken away and comes back: its events wait as dead letters, and go on where they stopped."""

import logging

import pytest

from fairlead_workload.errors import Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import INBOX, PROGRESS

CHARGE = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}
SHIP = {"name": "ship", "call": {"service": {"name": "payments", "path": "/ship"}}}
CONFIRM = {"name": "confirm", "set": {"status": "'CONFIRMED'"}}
ANNOUNCE = {"name": "announce", "publish": {"type": "orders.confirmed"}}


async def reopened(lab, *handlers):
    """The same data directory under a service with these handlers."""
    if hasattr(lab, "database") and not lab.crashes.crashed.is_set():
        await lab.close()
    lab.worker_spec = {"handlers": [{"event": event, "steps": steps} for event, steps in handlers]}
    return lab.open()


async def the_letter(lab):
    (letter,) = await lab.letters()
    return letter


async def redriven(lab):
    letter = await the_letter(lab)
    assert await lab.real_queue.redrive([letter]) == [letter]


FACTS = {
    "orders.created": None,
    "orders.updated": {"quantity": 2},
    "orders.deleted": None,
}


@pytest.mark.parametrize("fact", FACTS)
async def test_a_letter_whose_handler_is_gone_is_a_letter_again_and_waits_for_it(lab, payments, fact):
    handler = (fact, [CHARGE])
    await reopened(lab, handler)
    await lab.create("a")
    if fact != "orders.created":
        action = Action.PATCH if fact == "orders.updated" else Action.DELETE
        await lab.send(lab.command(action, "a", FACTS[fact]))
    payments.script({"status": 402})
    await lab.settle()
    await redriven(lab)
    await reopened(lab)
    await lab.settle()
    letter = await the_letter(lab)
    assert (letter.failure.error_class, letter.failure.error_code, letter.redrives) == ("NoHandler", "no-handler", 1)
    assert letter.failure.error_message == f"no handler takes {fact}; redrive it when one does"
    await redriven(lab)
    await reopened(lab, handler)
    await lab.settle()
    assert await lab.letters() == []
    assert [request.path for request in payments.requests] == ["/charge", "/charge"]


async def test_a_pending_retry_whose_handler_is_gone_becomes_a_letter_and_goes_on_where_it_stopped(lab, payments):
    handler = ("orders.created", [CHARGE, SHIP, CONFIRM])
    await reopened(lab, handler)
    payments.script({}, {"status": 503})
    await lab.create("a")
    await lab.round()
    await lab.round()
    await reopened(lab)
    await lab.settle()
    letter = await the_letter(lab)
    assert letter.failure.error_class == "NoHandler"
    await redriven(lab)
    await reopened(lab, handler)
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/ship", "/ship"]
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert await lab.letters() == []


async def test_a_fact_that_no_handler_ever_saw_becomes_a_letter_too(lab):
    await reopened(lab, ("orders.created", [CONFIRM]))
    await lab.create("a")
    await lab.round()
    await reopened(lab)
    await lab.settle()
    letter = await the_letter(lab)
    assert (letter.failure.error_class, letter.failure.attempts) == ("NoHandler", 5)


async def test_how_far_an_event_is_lasts_as_long_as_its_letter(lab, payments):
    await reopened(lab, ("orders.created", [CHARGE, SHIP]))
    payments.script({}, {"status": 503})
    event = await lab.create("a")
    await lab.round()
    await lab.round()
    event = payments.keys[0].partition("/")[0]
    await reopened(lab)
    lab.clock.now += 20 * 3600
    await lab.settle()
    inbox, progress = await lab.record(INBOX, event), await lab.record(PROGRESS, event)
    assert progress.expires_at >= inbox.expires_at


async def test_a_worker_that_does_not_know_the_handler_yet_leaves_the_event_to_one_that_does(lab, caplog):
    caplog.set_level(logging.INFO)
    await reopened(lab, ("orders.created", [CONFIRM]))
    await lab.create("a")
    await lab.round()
    await reopened(lab)
    await lab.round()
    (record,) = [record for record in caplog.records if record.message == "retry"]
    assert (record.error_code, record.attempt) == ("no-handler", 1)
    await reopened(lab, ("orders.created", [CONFIRM]))
    await lab.settle()
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert await lab.letters() == []


async def test_what_a_step_announces_to_others_is_no_dead_letter(lab):
    await reopened(lab, ("orders.created", [CONFIRM, ANNOUNCE]))
    await lab.create("a")
    await lab.settle()
    assert await lab.letters() == []
    assert (await lab.real_queue.depth()).ready == 0


async def test_an_announcement_that_is_delivered_again_is_no_dead_letter(lab):
    await reopened(lab, ("orders.created", [CONFIRM, ANNOUNCE]))
    await lab.create("a")
    await lab.round()
    await lab.round()
    await lab.real_queue.receive(10, wait_seconds=0)  # by a worker that ends
    await lab.settle()
    assert await lab.letters() == []


async def test_an_announcement_whose_handler_had_begun_becomes_a_letter(lab, payments):
    announcing = ("orders.created", [ANNOUNCE])
    await reopened(lab, announcing, ("orders.confirmed", [CHARGE]))
    payments.script({"status": 503})
    await lab.create("a")
    for _ in range(3):
        await lab.round()
    assert len(payments.requests) == 1
    await reopened(lab, announcing)
    await lab.settle()
    assert (await the_letter(lab)).failure.error_class == "NoHandler"


async def test_a_letter_of_an_announcement_whose_handler_is_gone_waits_for_it(lab, payments):
    announcing, shipping = ("orders.created", [ANNOUNCE]), ("orders.confirmed", [SHIP])
    await reopened(lab, announcing, shipping)
    payments.script({"status": 402})
    await lab.create("a")
    await lab.settle()
    await redriven(lab)
    await reopened(lab, announcing)
    await lab.settle()
    assert (await the_letter(lab)).failure.error_class == "NoHandler"
    await redriven(lab)
    await reopened(lab, announcing, shipping)
    await lab.settle()
    assert await lab.letters() == []
    assert [request.path for request in payments.requests] == ["/ship", "/ship"]


async def test_an_event_that_was_done_is_acknowledged_although_its_handler_is_gone(lab):
    await reopened(lab, ("orders.created", [CONFIRM]))
    await lab.create("a")
    await lab.round()
    lab.crashes.after = lab.crashes.writes + 1  # committed, and not acknowledged
    assert await lab.until_crash()
    await reopened(lab)
    await lab.settle()
    assert await lab.letters() == []
    assert lab.worker.stats.duplicates["orders.created"] == 1


async def test_without_the_store_nothing_is_decided(lab, caplog):
    caplog.set_level(logging.INFO)
    await reopened(lab, ("orders.created", [CONFIRM]))
    await lab.create("a")
    await lab.round()
    await reopened(lab)

    async def down(ids):
        raise Unavailable("datastore", "it is down")

    records, lab.real_store.records = lab.real_store.records, down
    await lab.worker.handle(await lab.real_queue.receive(10, wait_seconds=0))
    lab.real_store.records = records
    (record,) = [record for record in caplog.records if record.message == "retry"]
    assert record.error_code == "unavailable"
    assert await lab.letters() == []
