"""Death at every durable write: what is there in the end is the same as after a life without one.

Each case is run once without a death, to count its writes; then once for each write, dying right before it and right
after it, as kill -9 does, and going on in a new process.
"""

import pytest

from fairlead_workload.model.effects import Action

PAYMENTS = {"name": "payments", "port": 8080}
CHARGE = {
    "name": "charge",
    "call": {"service": {**PAYMENTS, "path": "/charge"}},
    "compensate": {"call": {"service": {**PAYMENTS, "path": "/refund"}}},
}
RECEIPT = {"name": "receipt", "set": {"receipt": "results.charge.body.receipt"}}
COUNT = {"name": "count", "set": {"quantity": "document.quantity + 1"}}
ANNOUNCE = {"name": "announce", "publish": {"type": "orders.confirmed"}}
NOTIFY = {"name": "notify", "call": {"service": {**PAYMENTS, "path": "/notify"}}}
SPOIL = {"name": "spoil", "set": {"status": "7"}}
REJECT = {"name": "reject", "set": {"status": "'REJECTED'"}}
ON_CONFIRMED = {"event": "orders.confirmed", "steps": [{"name": "ten", "set": {"quantity": "document.quantity + 10"}}]}

CASES = {
    "commands alone": [],
    "a handler of one unit": [{"event": "orders.created", "steps": [COUNT, ANNOUNCE]}, ON_CONFIRMED],
    "a handler with calls": [
        {"event": "orders.created", "steps": [CHARGE, RECEIPT, COUNT, ANNOUNCE, NOTIFY]},
        ON_CONFIRMED,
    ],
    "a handler that is undone": [
        {"event": "orders.created", "steps": [CHARGE, COUNT, NOTIFY, SPOIL], "onFailure": [REJECT]}
    ],
}


async def live(lab, *, after=None, before=None):
    """Create one order and change it; with a death on the way if asked. Returns the number of writes and the death."""
    lab.open()
    lab.deaths.after, lab.deaths.before = after, before
    create = lab.command(Action.CREATE, "a", {"quantity": 1})
    patch = lab.command(Action.PATCH, "a", {"productId": None})
    await lab.send(create, patch)
    died = await lab.until_death()
    writes = lab.deaths.writes
    if died:
        lab.open()
        await lab.settle()
        await lab.database.close()
    return create.id, patch.id, writes, died


async def outcome(lab, payments, create, patch):
    """Everything that can be seen in the end, but for times and generated ids."""
    lab.open()
    document = await lab.document_of("a")
    version = await lab.version_of("a")
    letters = [(one.failure.error_class, one.failure.error_code, one.redrives) for one in await lab.letters()]
    operations = [await lab.operation(id_) for id_ in (create, patch)]
    calls = list(dict.fromkeys(key.split("/", 1)[1] for key in payments.keys))
    events = {key.split("/", 1)[0] for key in payments.keys}
    depth = await lab.real_queue.depth()
    first = operations[0]["version"]
    return {
        "document": {name: value for name, value in document.items() if name != "changedAt"},
        "changes": version - first,
        "operations": [(one["status"], one["version"] - first) for one in operations],
        "letters": letters,
        "calls": calls,
        "events": len(events),
        "left": depth.ready + depth.delayed + depth.leased + len(await lab.real_store.unpublished(1)),
    }


@pytest.mark.parametrize("case", CASES)
async def test_a_death_at_any_write_changes_nothing_in_the_end(tmp_path, payments, lab, share, case):
    handlers = CASES[case]
    lab.worker_spec = {"handlers": handlers}
    lab.directory = tmp_path / "calm"
    create, patch, writes, died = await live(lab)
    calm = await outcome(lab, payments, create, patch)
    await lab.close()
    assert not died
    assert writes >= 2
    for number, moment in share.pick([(n, moment) for n in range(1, writes + 1) for moment in ("after", "before")]):
        payments.requests.clear()
        lab.clock.now = 1_800_000_000.0
        lab.directory = tmp_path / f"{moment}-{number}"
        create, patch, _, died = await live(lab, **{moment: number})
        found = await outcome(lab, payments, create, patch)
        await lab.close()
        assert died, (moment, number)
        assert found == calm, (moment, number)
