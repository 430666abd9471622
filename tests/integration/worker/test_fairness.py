"""Fair shares: a burst of slow calls of one handler does not keep the events of another one waiting."""

import pytest

from fairlead_workload.model.effects import Action


def calling(event, path, **more):
    return {
        "event": event,
        "steps": [{"name": "call", "call": {"service": {"name": "payments", "path": path}}}],
        **more,
    }


def slow_orders(lab, payments, slots, **more):
    """Orders whose calls hang, and products whose calls do not."""
    payments.hang_on("/slow")
    lab.worker_spec = {
        "concurrency": slots,
        "handlers": [calling("orders.created", "/slow", **more), calling("products.created", "/note")],
    }
    lab.open()


def paths(payments):
    return [request.path for request in payments.requests]


@pytest.mark.parametrize("concurrency", [2, 10])
async def test_a_burst_of_slow_calls_leaves_a_slot_to_another_handler(lab, payments, concurrency):
    slow_orders(lab, payments, concurrency)
    for number in range(150):
        await lab.create(f"o{number}")
    running = lab.running()
    await lab.until(lambda: paths(payments).count("/slow") == concurrency - 1)
    await lab.send(lab.command(Action.CREATE, "p", {}, resource="products"))
    await lab.until(lambda: lab.worker.stats.succeeded["products.created"])
    assert paths(payments) == ["/slow"] * (concurrency - 1) + ["/note"]
    await lab.worker.drain(0)
    await running


async def test_a_handler_alone_has_every_slot(lab, payments):
    payments.always(hang=True)
    lab.worker_spec = {"concurrency": 4, "handlers": [calling("orders.created", "/slow")]}
    lab.open()
    for number in range(8):
        await lab.create(f"o{number}")
    running = lab.running()
    await lab.until(lambda: len(payments.requests) == 4)
    await lab.worker.drain(0)
    await running


@pytest.mark.parametrize(("given", "at_once"), [(1, 1), (3, 3), (4, 4), (1000, 4)])
async def test_a_handler_takes_what_its_concurrency_says(lab, payments, given, at_once):
    slow_orders(lab, payments, 4, concurrency=given)
    for number in range(8):
        await lab.create(f"o{number}")
    running = lab.running()
    await lab.until(lambda: len(payments.requests) == at_once)
    await lab.send(lab.command(Action.CREATE, "p", {}, resource="products"))
    await lab.until(lambda: lab.worker.stats.succeeded["products.create"])
    await lab.until(lambda: lab.worker.stats.succeeded["products.created"] or at_once == 4)
    assert paths(payments).count("/slow") == at_once
    await lab.worker.drain(0)
    await running
