"""The queues under conformance, one row each: how one is opened, and what it declares it can do."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlead_contract.bindings import Order
from fairlead_workload.queues.base import Queue
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database

from .store_capabilities import Clock

NAME = "orders-queue"
VISIBILITY_SECONDS = 60.0


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
async def open_sqlite(order: Order, clock: Clock) -> AsyncIterator[Queue]:
    with tempfile.TemporaryDirectory() as data_dir:
        database = Database.open(Path(data_dir))
        queue = SqliteQueue(database, name=NAME, order=order, visibility_seconds=VISIBILITY_SECONDS, clock=clock)
        yield queue
        await queue.close()
        await database.close()


QUEUES = [
    QueueRow("sqlite", open_sqlite, clock=True, ordered=True, dead_letters=True, deduplicates=True),
]
