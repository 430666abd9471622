"""A message that was in the queue for its retention is never delivered again: it becomes a dead letter."""

from pathlib import Path

from fairlead_contract.spec.bindings import Order
from fairlead_workload.queues.base import Delivery, Failure, LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database

HOUR = 3600.0
REJECTED = Failure("Rejected", "schema", "no such property", 1, 1.0, 1.0, "1")


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def opened(database: Database, clock: Clock, order: Order = Order.NONE) -> SqliteQueue:
    return SqliteQueue(database, name="orders", order=order, retention_seconds=48 * HOUR, clock=clock)


async def taken(queue: SqliteQueue) -> list[Delivery]:
    return await queue.receive(10, wait_seconds=0)


async def test_what_was_not_acknowledged_before_a_long_stop_is_a_dead_letter(tmp_path: Path) -> None:
    clock = Clock()
    database = Database.open(tmp_path)
    queue = opened(database, clock)
    await queue.publish([Message("old", "k", b"1"), Message("never", "k", b"2")])
    await queue.retry((await taken(queue))[0], delay_seconds=1)
    await database.close()
    clock.now += 50 * HOUR
    database = Database.open(tmp_path)
    queue = opened(database, clock)
    await queue.publish([Message("new", "k", b"3")])
    assert [each.message.id for each in await taken(queue)] == ["new"]
    letters = {letter.message.id: letter async for letter in queue.scan(LetterFilter())}
    assert set(letters) == {"old", "never"}
    assert letters["old"].message.body == b"1"
    assert (letters["old"].failure.error_class, letters["old"].failure.error_code) == ("Expired", "retention")
    assert "48 hours" in letters["old"].failure.error_message
    await database.close()


async def test_a_redriven_message_has_its_retention_anew(tmp_path: Path) -> None:
    clock = Clock()
    database = Database.open(tmp_path)
    queue = opened(database, clock)
    await queue.publish([Message("a", "k", b"1")])
    (delivery,) = await taken(queue)
    await queue.dead_letter(delivery, REJECTED)
    clock.now += 100 * HOUR
    (letter,) = [letter async for letter in queue.scan(LetterFilter())]
    await queue.redrive([letter])
    clock.now += 47 * HOUR
    await queue.sweep()
    assert (await queue.depth()).ready == 1
    clock.now += HOUR
    await queue.sweep()
    assert ((await queue.depth()).ready, (await queue.depth()).dead) == (0, 1)
    await database.close()


async def test_a_leased_message_is_left_to_its_worker(tmp_path: Path) -> None:
    clock = Clock()
    database = Database.open(tmp_path)
    queue = opened(database, clock)
    await queue.publish([Message("a", "k", b"1")])
    clock.now += 48 * HOUR - 1
    (delivery,) = await taken(queue)
    clock.now += 2
    await queue.sweep()
    await queue.ack([delivery])
    assert ((await queue.depth()).leased, (await queue.depth()).dead) == (0, 0)
    await database.close()


async def test_the_next_message_of_the_key_is_delivered(tmp_path: Path) -> None:
    clock = Clock()
    database = Database.open(tmp_path)
    queue = opened(database, clock, Order.KEY)
    await queue.publish([Message("a", "k", b"1")])
    clock.now += 47 * HOUR
    await queue.publish([Message("b", "k", b"2")])
    clock.now += HOUR
    await queue.sweep()
    assert [each.message.id for each in await taken(queue)] == ["b"]
    await database.close()
