"""Several workers at once, and housekeeping: effects once, whoever has them; what is due goes, the rest stays."""

import asyncio
import random

from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import INBOX, OPERATIONS
from fairlead_workload.worker.housekeeping import Housekeeping

COUNT = {"event": "orders.updated", "steps": [{"name": "note", "publish": {"type": "orders.noted"}}]}


async def test_workers_on_the_same_documents_apply_every_write_once(lab):
    lab.worker_spec = {"handlers": [COUNT]}
    lab.open()
    for id_ in "abc":
        await lab.create(id_)
    await lab.settle()
    before = {id_: await lab.version_of(id_) for id_ in "abc"}
    draw = random.Random(7)
    messages = [lab.command(Action.PATCH, draw.choice("abc"), {"quantity": n + 1}) for n in range(150)]
    await lab.send(*messages)
    workers = [lab.new_worker() for _ in range(3)]

    async def until_empty(worker):
        while True:
            deliveries = await lab.real_queue.receive(20, wait_seconds=0)
            if not deliveries:
                return
            # The lease of some runs out at once: another worker has them too.
            twice = deliveries[: len(deliveries) // 2]
            await asyncio.gather(worker.handle(deliveries), lab.worker.handle(twice))

    await asyncio.gather(*(until_empty(worker) for worker in workers))
    await lab.settle()
    grown = sum([await lab.version_of(id_) - before[id_] for id_ in "abc"])
    assert grown == 150
    assert {(await lab.operation(message.id))["status"] for message in messages} == {"Succeeded"}
    for worker in workers:
        await worker.drain(0)


async def test_what_has_expired_goes_and_what_has_not_stays(lab):
    lab.queue_spec["retry"] = {"maxAge": "1h"}
    lab.open()
    old = await lab.create("old")
    await lab.send(lab.command(Action.DELETE, "old"))
    await lab.settle()
    lab.clock.now += 20 * 3600
    new = await lab.create("new")
    await lab.settle()
    lab.clock.now += 7 * 3600
    keeping = Housekeeping(lab.store, lab.real_queue, clock=lab.clock, random=lab.random)
    assert await keeping.sweep() >= 4
    assert await keeping.sweep() == 0
    assert await lab.record(INBOX, old) is None
    assert await lab.record(INBOX, new) is not None
    assert await lab.record(OPERATIONS, new) is not None
    assert await lab.document_of("new") is not None
