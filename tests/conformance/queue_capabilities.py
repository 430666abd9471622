"""The queues under conformance, one row each: how one is opened, and what it declares it can do."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from tests.embedded import open_database
from tests.wrapped import UncountedQueue, WrappedQueue

from fairlead_contract.spec.bindings import Order
from fairlead_workload.queues.base import Delivery, Depth, Queue
from fairlead_workload.queues.sqlite import SqliteQueue

NAME = "orders-queue"
SET_LEASE_SECONDS = 60.0  # where the clock can be set
REAL_LEASE_SECONDS = 2.0  # where a case has to wait for it
RETENTION_SECONDS = 7200.0


class Clock:
    """Unix seconds: set by the case, or those of the world."""

    def __init__(self, *, settable: bool) -> None:
        self.settable = settable
        self._now = 1_800_000_000.0

    def __call__(self) -> float:
        return self._now if self.settable else time.time()

    async def passes(self, seconds: float) -> None:
        """Let so much time go by, or a little more."""
        if self.settable:
            self._now += seconds
        else:
            await asyncio.sleep(seconds)


@dataclass(frozen=True)
class QueueRow:
    """One adapter. `open` is given the order, the clock, and for how long a delivery is to be leased.

    `clock`: its clock can be set; else cases of delays and leases wait for short real seconds, and leave out what must
    not be there yet. `leases`: what is not ended is delivered again after the lease. `ordered`: it serves `order: Key`.
    `oldest_first`: with `order: None`, messages come in the order of their publish. `at_once`: what can be delivered is
    there without waiting for it. `counts`: it knows how often it delivered a message. `exact_depth`: it knows how many
    messages there are, and at once. `dead_letters`: they can be looked at, sent back and removed (`DeadLetters`).
    `deduplicates`: a message whose id is still in the queue is not added twice, however long ago that was.
    """

    name: str
    open: Callable[[Order, Clock, float], AbstractAsyncContextManager[Queue]]
    clock: bool
    leases: bool
    ordered: bool
    oldest_first: bool
    at_once: bool
    counts: bool
    exact_depth: bool
    dead_letters: bool
    deduplicates: bool

    @property
    def lease_seconds(self) -> float:
        return SET_LEASE_SECONDS if self.clock else REAL_LEASE_SECONDS


@asynccontextmanager
async def open_sqlite(order: Order, clock: Clock, lease_seconds: float) -> AsyncIterator[SqliteQueue]:
    async with open_database() as database:
        queue = SqliteQueue(
            database,
            name=NAME,
            order=order,
            visibility_seconds=lease_seconds,
            retention_seconds=RETENTION_SECONDS,
            clock=clock,
        )
        yield queue
        await queue.close()


@asynccontextmanager
async def open_wrapped(order: Order, clock: Clock, lease_seconds: float) -> AsyncIterator[Queue]:
    async with open_sqlite(order, clock, lease_seconds) as queue:
        yield WrappedQueue(queue)


class ModestQueue(UncountedQueue):
    """A queue that can do little more than it must, as brokers on a network.

    Messages come in any order and a moment late; how many there are is unknown.
    """

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        found = await super().receive(limit, wait_seconds=wait_seconds)
        random.shuffle(found)
        return found

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        await super().retry(delivery, delay_seconds=delay_seconds + 0.1)

    async def depth(self) -> Depth:
        return Depth(None, None, None, None, None)


@asynccontextmanager
async def open_modest(order: Order, clock: Clock, lease_seconds: float) -> AsyncIterator[Queue]:
    async with open_sqlite(order, clock, lease_seconds) as queue:
        yield ModestQueue(queue)


SQLITE = QueueRow(
    "sqlite",
    open_sqlite,
    clock=True,
    leases=True,
    ordered=True,
    oldest_first=True,
    at_once=True,
    counts=True,
    exact_depth=True,
    dead_letters=True,
    deduplicates=True,
)
QUEUES: Sequence[QueueRow] = [
    SQLITE,
    replace(SQLITE, name="wrapped", open=open_wrapped),  # what other tests stand on
    replace(  # that the suite asks for no more than what is promised
        SQLITE,
        name="modest",
        open=open_modest,
        clock=False,
        oldest_first=False,
        at_once=False,
        counts=False,
        exact_depth=False,
    ),
]
