"""The stores under conformance, one row each: how one is opened, and what it declares it can do."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.embedded import open_database
from tests.wrapped import WrappedStore

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.base import Store
from fairlead_workload.stores.sqlite import SqliteStore


class Clock:
    """Unix seconds that a case sets."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


Open = Callable[[Sequence[Resource], Clock], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True)
class StoreRow:
    """One adapter.

    `outbox`: it keeps an outbox for the relay (`OutboxSource`). `sweeper`: it does not expire records and tombstones by
    itself (`Sweeper`).
    """

    name: str
    open: Open
    outbox: bool
    sweeper: bool


@asynccontextmanager
async def open_sqlite(resources: Sequence[Resource], clock: Clock) -> AsyncIterator[SqliteStore]:
    async with open_database() as database:
        store = SqliteStore(database, resources, clock=clock)
        yield store
        await store.close()


@asynccontextmanager
async def open_wrapped(resources: Sequence[Resource], clock: Clock) -> AsyncIterator[Store]:
    async with open_sqlite(resources, clock) as store:
        yield WrappedStore(store)


STORES = [
    StoreRow("sqlite", open_sqlite, outbox=True, sweeper=True),
    StoreRow("wrapped", open_wrapped, outbox=True, sweeper=True),  # what other tests stand on
]
