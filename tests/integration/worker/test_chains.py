"""A `set` that changes nothing leaves nothing behind, so a handler that causes its own event comes to an end."""

import pytest

from fairlead_workload.model.effects import Action

ANNOUNCE = {"name": "announce", "publish": {"type": "orders.confirmed"}}
CHARGE = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}


def setting(**assignments):
    return {"name": f"set-{'-'.join(assignments)}", "set": assignments}


def updating(lab, *steps):
    lab.worker_spec = {"handlers": [{"event": "orders.updated", "steps": list(steps)}]}
    return lab.open()


async def patched(lab, **body):
    await lab.create("a")
    await lab.settle()
    await lab.send(lab.command(Action.PATCH, "a", body))
    await lab.settle()


def runs(lab):
    return lab.worker.stats.succeeded["orders.updated"]


async def test_a_handler_that_sets_a_property_of_its_own_document_runs_until_nothing_changes(lab):
    updating(lab, setting(status="'CONFIRMED'"))
    await patched(lab, quantity=2)
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert runs(lab) == 2
    assert await lab.letters() == []


@pytest.mark.parametrize("steps", [[CHARGE, setting(status="'CONFIRMED'")], [setting(status="'CONFIRMED'"), CHARGE]])
async def test_so_it_is_with_a_call_before_or_after(lab, steps):
    updating(lab, *steps)
    await patched(lab, quantity=2)
    assert runs(lab) == 2
    assert await lab.letters() == []


async def test_a_set_that_changes_nothing_leaves_version_and_timestamp(lab):
    updating(lab, setting(status="document.status"), setting(quantity="document.quantity"))
    await lab.create("a")
    await lab.settle()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 2}))
    await lab.round()
    before = await lab.document_of("a"), await lab.version_of("a")
    lab.clock.now += 60
    await lab.settle()
    assert (await lab.document_of("a"), await lab.version_of("a")) == before
    assert runs(lab) == 1


async def test_of_several_sets_one_that_changes_something_is_enough(lab):
    updating(lab, setting(status="'PENDING'"), setting(quantity="document.quantity < 5 ? 5 : document.quantity"))
    await patched(lab, quantity=2)
    assert (await lab.document_of("a"))["quantity"] == 5
    assert runs(lab) == 2


async def test_what_follows_a_set_that_changes_nothing_is_published(lab):
    bill = {"event": "orders.confirmed", "steps": [setting(receipt="event.sequence")]}
    lab.worker_spec = {
        "handlers": [{"event": "orders.created", "steps": [setting(status="'PENDING'"), ANNOUNCE]}, bill]
    }
    lab.open()
    await lab.create("a")
    await lab.settle()
    assert (await lab.document_of("a"))["receipt"] == str(await lab.version_of("a") - 1)
