"""Events that the queue refuses are dead letters to a person: listed, sent back, removed, beside those of the queue."""

from tests.wrapped import WrappedStore

from fairlead_workload.errors import Refused
from fairlead_workload.model.effects import Action
from fairlead_workload.queues.base import LetterFilter
from fairlead_workload.stores.base import OutboxEvent, Unit
from fairlead_workload.worker.failures import dlq as dead_letters
from fairlead_workload.worker.failures import refused_events
from fairlead_workload.worker.failures.refused_events import AllDeadLetters

CONFIRM = {"event": "orders.created", "steps": [{"name": "confirm", "set": {"status": "'CONFIRMED'"}}]}
WRONG = {"event": "orders.updated", "steps": [{"name": "fail", "set": {"status": "5"}}]}


async def with_letters(lab) -> AllDeadLetters:
    """Three refused events, and a dead letter of the queue."""
    lab.worker_spec = {"handlers": [CONFIRM, WRONG]}
    lab.open()
    real_publish = lab.real_queue.publish

    async def publish(messages):
        return [Refused("queue", "it is too large") for _ in messages]

    for name in "abc":
        await lab.create(name)
    lab.real_queue.publish = publish
    await lab.round()
    lab.real_queue.publish = real_publish
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 2}))
    await lab.settle()
    return AllDeadLetters(lab.real_queue, lab.real_store)


async def every(letters: AllDeadLetters, **match) -> list[str]:
    found = await dead_letters.matching(letters, LetterFilter(**match))
    return [f"{each.origin}: {each.message.key}" for each in found]


async def test_they_are_listed_behind_those_of_the_queue(lab):
    letters = await with_letters(lab)
    refused = ["outbox: orders/a", "outbox: orders/b", "outbox: orders/c"]
    assert await every(letters) == ["queue: orders/a", *refused]
    assert await every(letters, event_type="orders.created") == refused
    assert await every(letters, error_code="queue") == refused
    assert await every(letters, keys=("orders/b",)) == ["outbox: orders/b"]
    (refused_one,) = await dead_letters.matching(letters, LetterFilter(keys=("orders/a",), error_code="queue"))
    failure = refused_one.failure
    assert (failure.error_class, failure.error_message, failure.attempts) == ("Refused", "it is too large", 0)
    assert await every(letters, ids=(refused_one.id,)) == ["outbox: orders/a"]


async def test_a_redrive_has_them_published(lab):
    letters = await with_letters(lab)
    result = await dead_letters.redrive(
        letters, LetterFilter(keys=("orders/b",)), clock=lab.clock, rate_per_second=1000
    )
    assert (result.moved, result.failed) == (1, 0)
    await lab.settle()
    assert (await lab.document_of("b"))["status"] == "CONFIRMED"
    assert (await lab.document_of("c"))["status"] != "CONFIRMED"


async def test_a_purge_removes_them(lab):
    letters = await with_letters(lab)
    (of_queue, a, _, c) = await dead_letters.matching(letters, LetterFilter())
    assert await letters.purge([c, a]) == [c, a]
    assert await letters.purge([c, of_queue, a]) == [of_queue]
    assert await every(letters) == ["outbox: orders/b"]


async def test_refused_events_are_read_once_however_many_there_are(lab, monkeypatch):
    """The pages that are read grow with the events, not with their square, also when each is sent back at once."""
    monkeypatch.setattr(refused_events, "PAGE", 2)
    pages = []

    async def around(name, call):
        pages.extend([name] * (name == "refused"))
        return await call()

    lab.open()
    rows = tuple(OutboxEvent(f"e{number}", f"orders/{number}", b"{}", None) for number in range(10))
    await lab.real_store.commit(Unit(outbox=rows))
    await lab.real_store.refuse([(row, "it is too large") for row in await lab.real_store.unpublished(100)])
    letters = AllDeadLetters(lab.real_queue, WrappedStore(lab.real_store, around))
    result = await dead_letters.redrive(letters, LetterFilter(), clock=lambda: 1e12, rate_per_second=1e9)
    assert (result.moved, len(pages)) == (10, 6)
