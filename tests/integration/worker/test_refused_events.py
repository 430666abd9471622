"""Events that the queue refuses are dead letters to a person: listed, sent back, removed, beside those of the queue."""

from fairlead_workload.errors import Refused
from fairlead_workload.model.effects import Action
from fairlead_workload.queues.base import LetterFilter
from fairlead_workload.worker.failures import dlq as dead_letters
from fairlead_workload.worker.failures.refused_events import AllDeadLetters

CONFIRM = {"event": "orders.created", "steps": [{"name": "confirm", "set": {"status": "'CONFIRMED'"}}]}
WRONG = {"event": "orders.updated", "steps": [{"name": "fail", "set": {"status": "5"}}]}


async def with_letters(lab) -> AllDeadLetters:
    """Three refused events, and a dead letter of the queue."""
    lab.worker_spec = {"handlers": [CONFIRM, WRONG]}
    lab.open()
    real_publish = lab.real_queue.publish

    async def publish(messages, *, delay_seconds=0):
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
    return [
        f"{each.origin}: {each.message.key}" async for each in dead_letters.matching(letters, LetterFilter(**match))
    ]


async def test_they_are_listed_behind_those_of_the_queue(lab):
    letters = await with_letters(lab)
    refused = ["outbox: orders/a", "outbox: orders/b", "outbox: orders/c"]
    assert await every(letters) == ["queue: orders/a", *refused]
    assert await every(letters, event_type="orders.created") == refused
    assert await every(letters, error_code="queue") == refused
    assert await every(letters, keys=("orders/b",)) == ["outbox: orders/b"]
    first = await letters.letters(LetterFilter(), limit=2)
    rest = await letters.letters(LetterFilter(), limit=9, after=first[-1].id)
    assert [each.id for each in first + rest] == [each.id for each in await letters.letters(LetterFilter(), limit=9)]
    failure = first[-1].failure
    assert (failure.error_class, failure.error_message, failure.attempts) == ("Refused", "it is too large", 0)
    assert await every(letters, ids=(first[-1].id,)) == ["outbox: orders/a"]


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
    (_, a, _, c) = await letters.letters(LetterFilter(), limit=9)
    assert await letters.purge([c.id, "outbox-999", a.id, "outbox-x"]) == [c.id, a.id]
    assert await every(letters) == ["queue: orders/a", "outbox: orders/b"]
