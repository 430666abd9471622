"""Endings that raise: the event is delivered again, has its effect once, and leaves nothing behind in the worker."""

from dataclasses import replace

import pytest
from tests.wrapped import WrappedQueue

from fairlead_workload.errors import Unavailable
from fairlead_workload.worker.relay import LEASE_SECONDS

CALL = {"name": "charge", "call": {"service": {"name": "payments", "port": 8080, "path": "/charge"}}}
REFUSED = [{"status": 400}]
BUSY = [{"status": 503}]
CASES = {
    "an acknowledgement": ("ack", []),
    "a retry": ("retry", BUSY),
    "the way to the dead letters": ("dead_letter", REFUSED),
}


def interrupted(lab, ending, *, has_effect):
    """The lab with a queue whose first such ending raises, before its effect or after; how many were asked for."""
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [CALL]}]}
    lab.open()
    asked = []

    async def around(name, call):
        if name == ending:
            asked.append(name)
            if len(asked) == 1:
                if has_effect:
                    await call()
                raise Unavailable("queue", "no answer")
        return await call()

    lab.bindings = replace(lab.bindings, queue=WrappedQueue(lab.real_queue, around))
    lab.worker = lab.new_worker()
    lab.queue = lab.bindings.queue
    return asked


@pytest.mark.parametrize("order", ["None", "Key"])
@pytest.mark.parametrize("has_effect", [False, True])
@pytest.mark.parametrize("case", CASES)
async def test_an_event_whose_ending_raised_ends_once(lab, payments, case, has_effect, order):
    ending, answers = CASES[case]
    lab.queue_spec["order"] = order
    asked = interrupted(lab, ending, has_effect=has_effect)
    payments.script(*answers)
    operation = await lab.create("a")
    running = lab.running()

    def ended():
        stats = lab.worker.stats
        if not stats.in_flight:  # a lease that ran out under the handler would have it run again
            lab.clock.now += LEASE_SECONDS / 2
        return asked and (stats.succeeded["orders.created"] or stats.dead_lettered or has_effect)

    await lab.until(ended)
    await lab.worker.drain(30)
    await running
    assert lab.worker.stats.in_flight == 0
    lab.worker = lab.new_worker()
    await lab.settle()
    assert (await lab.operation(operation))["status"] == "Succeeded"
    assert len(await lab.letters()) == (ending == "dead_letter")
    expected = 2 if ending == "retry" else 1
    assert len(payments.requests) == expected


async def test_a_drain_gives_back_all_that_it_can(lab, payments):
    """One delivery that cannot be given back does not keep the others."""
    asked = interrupted(lab, "retry", has_effect=False)
    for id_ in "abc":
        await lab.create(id_)
    await lab.round()
    payments.hang_on("/charge")
    running = lab.running()
    await lab.until(lambda: lab.worker.stats.in_flight == 3)
    await lab.worker.drain(0)
    await running
    depth = await lab.real_queue.depth()
    assert (len(asked), depth.ready, depth.leased) == (3, 2, 1)
