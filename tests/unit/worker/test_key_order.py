"""Receiving by key from a real queue that knows nothing of keys: who waits is woken, and little is held."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest
from tests.embedded import open_database
from tests.wrapped import WrappedQueue

from fairlead_workload.errors import Unavailable
from fairlead_workload.queues.base import Delivery, Failure, Message, Queue
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.worker import key_order
from fairlead_workload.worker.key_order import KeyOrder
from fairlead_workload.worker.lease_renewal import LeaseRenewer
from fairlead_workload.worker.stats import WorkerStats

T = TypeVar("T")
PATIENCE_SECONDS = 30.0
FAILURE = Failure("Rejected", "schema", "no such property", 1, 1.0, 1.0, "1")


@pytest.fixture
async def queue() -> AsyncIterator[SqliteQueue]:
    async with open_database() as database:
        queue = SqliteQueue(database)
        await queue.publish([Message(f"a{number}", "a", b"") for number in range(6)])
        yield queue
        await queue.close()


def by_key(queue: Queue) -> tuple[KeyOrder, WorkerStats]:
    stats = WorkerStats(frozenset())
    return KeyOrder(queue, LeaseRenewer(queue, stats=stats)), stats


async def received(order: KeyOrder, limit: int = 10) -> list[Delivery]:
    """What comes next; an ending wakes it long before the queue has anything to say."""
    async with asyncio.timeout(PATIENCE_SECONDS / 2):
        return await order.receive(limit, wait_seconds=PATIENCE_SECONDS)


ENDINGS: dict[str, Callable[[KeyOrder, Delivery], Awaitable[None]]] = {
    "ack": lambda order, one: order.ack([one]),
    "dead_letter": lambda order, one: order.dead_letter(one, FAILURE),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_wakes_those_who_wait(queue: SqliteQueue, ending: str) -> None:
    order, _ = by_key(queue)
    (first,) = await received(order)
    waiting = asyncio.create_task(received(order))
    await asyncio.sleep(0)
    await ENDINGS[ending](order, first)
    assert [one.message.id for one in await waiting] == ["a1"]
    await order.stop()


async def test_while_much_is_held_nothing_is_received(queue: SqliteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_order, "MOST_HELD", 3)
    order, stats = by_key(queue)
    (first,) = await received(order, 2)
    assert await order.receive(2, wait_seconds=PATIENCE_SECONDS) == [], "all that came is behind the first"
    assert await order.receive(2, wait_seconds=0) == []
    assert stats.in_flight == 4
    await order.ack([first])
    for expected in ("a1", "a2", "a3", "a4", "a5"):
        found: list[Delivery] = []
        while not found:
            found = await received(order, 2)
        assert [one.message.id for one in found] == [expected]
        await order.ack(found)
    await order.stop()


async def test_a_queue_that_is_down_is_a_failure_of_the_receive(queue: SqliteQueue) -> None:
    down = True

    async def around(name: str, call: Callable[[], Awaitable[T]]) -> T:
        if down and name == "receive":
            raise Unavailable("queue", "it is down")
        return await call()

    order, _ = by_key(WrappedQueue(queue, around))
    with pytest.raises(Unavailable):
        await received(order)
    down = False
    assert [one.message.id for one in await received(order)] == ["a0"]


async def test_a_stop_keeps_what_was_received_meanwhile_among_the_leases(queue: SqliteQueue) -> None:
    arrived = asyncio.Event()

    async def around(name: str, call: Callable[[], Awaitable[T]]) -> T:
        result = await call()
        arrived.set()
        return result

    order, stats = by_key(WrappedQueue(queue, around))
    waiting = asyncio.create_task(received(order))
    await asyncio.sleep(0)
    waiting.cancel()
    await arrived.wait()
    await asyncio.sleep(0)
    await order.stop()
    await order.stop()
    assert stats.in_flight == 6
