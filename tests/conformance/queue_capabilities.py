"""The queues under conformance, one row each: how one is opened, and what it declares it can do."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.embedded import open_database
from tests.wrapped import WrappedQueue

from fairlead_contract.spec.bindings import Order
from fairlead_workload.queues.base import Queue
from fairlead_workload.queues.sqlite import SqliteQueue

from .store_capabilities import Clock

NAME = "orders-queue"
VISIBILITY_SECONDS = 60.0
RETENTION_SECONDS = 7200.0


@dataclass(frozen=True)
class QueueRow:
    """One adapter.

    `clock`: its clock can be set, which the cases of delays and leases need. `ordered`: it serves `order: Key`.
    `dead_letters`: its dead letters can be looked at, sent back and removed (`DeadLetters`). `deduplicates`: a message
    whose id is still in the queue is not added twice, however long ago that was.
    """

    name: str
    open: Callable[[Order, Clock], AbstractAsyncContextManager[Queue]]
    clock: bool
    ordered: bool
    dead_letters: bool
    deduplicates: bool


@asynccontextmanager
async def open_sqlite(order: Order, clock: Clock) -> AsyncIterator[SqliteQueue]:
    async with open_database() as database:
        queue = SqliteQueue(
            database,
            name=NAME,
            order=order,
            visibility_seconds=VISIBILITY_SECONDS,
            retention_seconds=RETENTION_SECONDS,
            clock=clock,
        )
        yield queue
        await queue.close()


@asynccontextmanager
async def open_wrapped(order: Order, clock: Clock) -> AsyncIterator[Queue]:
    async with open_sqlite(order, clock) as queue:
        yield WrappedQueue(queue)


QUEUES = [
    QueueRow("sqlite", open_sqlite, clock=True, ordered=True, dead_letters=True, deduplicates=True),
    # What other tests stand on:
    QueueRow("wrapped", open_wrapped, clock=True, ordered=True, dead_letters=True, deduplicates=True),
]
