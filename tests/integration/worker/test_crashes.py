"""A crash at every durable write: what is there in the end is the same as after a run without one.

Each case is run once without a crash, to count its writes; then once for each write, crashing right before it and right
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
INVALID = {"name": "invalid", "set": {"status": "7"}}
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
        {"event": "orders.created", "steps": [CHARGE, COUNT, NOTIFY, INVALID], "onFailure": [REJECT]}
    ],
}


async def run(lab, *, after=None, before=None):
    """Create one order and change it; with a crash if requested. Returns the writes, and whether it crashed."""
    lab.open()
    lab.crashes.after, lab.crashes.before = after, before
    create = lab.command(Action.CREATE, "a", {"quantity": 1})
    patch = lab.command(Action.PATCH, "a", {"productId": None})
    await lab.send(create, patch)
    crashed = await lab.until_crash()
    writes = lab.crashes.writes
    if crashed:
        lab.open()
        await lab.settle()
        await lab.database.close()
    return create.id, patch.id, writes, crashed


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


@pytest.mark.parametrize(
    ("case", "counts"),
    [*((case, True) for case in CASES), ("a handler with calls", False), ("a handler that is undone", False)],
)
async def test_a_crash_at_any_write_changes_nothing_in_the_end(tmp_path, payments, lab, share, case, counts):
    handlers = CASES[case]
    lab.counts_deliveries = counts
    lab.worker_spec = {"handlers": handlers}
    lab.directory = tmp_path / "reference"
    create, patch, writes, crashed = await run(lab)
    expected = await outcome(lab, payments, create, patch)
    await lab.close()
    assert not crashed
    assert writes >= 2
    for number, moment in share.pick([(n, moment) for n in range(1, writes + 1) for moment in ("after", "before")]):
        payments.requests.clear()
        lab.clock.now = 1_800_000_000.0
        lab.directory = tmp_path / f"{moment}-{number}"
        create, patch, _, crashed = await run(lab, **{moment: number})
        found = await outcome(lab, payments, create, patch)
        await lab.close()
        assert crashed, (moment, number)
        assert found == expected, (moment, number)
