"""The stores under conformance, one row each: how one is opened, and what it declares it can do."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.embedded import open_database
from tests.postgresql import open_schema, open_several
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import GROUP, PostgreSQL
from tests.wrapped import WrappedStore

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.base import Store
from fairlead_workload.stores.postgresql import PostgresqlStore
from fairlead_workload.stores.sqlite import SqliteStore


class Clock:
    """Unix seconds that a case sets."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


Open = Callable[[Sequence[Resource], Clock, Any], AbstractAsyncContextManager[Store]]


@dataclass(frozen=True)
class StoreRow:
    """One adapter.

    `server` is the fixture of the server that it needs, if any, and `group` what runs in one process. `outbox`: it
    keeps an outbox for the relay (`OutboxSource`). `sweeper`: it does not expire records and tombstones by itself
    (`Sweeper`). `nul`: it can store strings with the character NUL; else it refuses them, naming the property.
    """

    name: str
    open: Open
    outbox: bool
    sweeper: bool
    nul: bool
    server: str | None = None
    group: str | None = None


def open_row(
    request: pytest.FixtureRequest, row: StoreRow, resources: Sequence[Resource], clock: Clock
) -> AbstractAsyncContextManager[Store]:
    """The store of a row."""
    return row.open(resources, clock, None if row.server is None else request.getfixturevalue(row.server))


def params(rows: Iterable[StoreRow]) -> list[Any]:
    """The rows as parameters of a fixture: those of one server run in one process."""
    return [
        pytest.param(row, id=row.name, marks=[pytest.mark.xdist_group(row.group)] if row.group else []) for row in rows
    ]


@asynccontextmanager
async def open_sqlite(resources: Sequence[Resource], clock: Clock, _: None) -> AsyncIterator[SqliteStore]:
    async with open_database() as database:
        store = SqliteStore(database, resources, clock=clock)
        yield store
        await store.close()


@asynccontextmanager
async def open_wrapped(resources: Sequence[Resource], clock: Clock, _: None) -> AsyncIterator[Store]:
    async with open_sqlite(resources, clock, None) as store:
        yield WrappedStore(store)


@asynccontextmanager
async def open_postgresql(
    resources: Sequence[Resource], clock: Clock, server: PostgreSQL
) -> AsyncIterator[PostgresqlStore]:
    async with open_schema(server, resources, clock=clock) as store:
        yield store


@asynccontextmanager
async def open_pair(resources: Sequence[Resource], clock: Clock, server: PostgreSQL) -> AsyncIterator[Store]:
    async with open_several(server, resources, 2, clock=clock) as stores:
        yield Alternating(stores)


@asynccontextmanager
async def open_pooled(resources: Sequence[Resource], clock: Clock, pooler: PgBouncer) -> AsyncIterator[PostgresqlStore]:
    async with open_schema(pooler.behind, resources, server=pooler.server(), clock=clock) as store:
        yield store


class Alternating(WrappedStore):
    """Adapters of one datastore that take the calls in turn, as pods of one service do."""

    def __init__(self, stores: Sequence[PostgresqlStore]) -> None:
        self._stores = stores
        self._calls = itertools.cycle(stores)
        super().__init__(stores[0])

    @property
    def inner(self) -> PostgresqlStore:
        return next(self._calls)

    @inner.setter
    def inner(self, store: PostgresqlStore) -> None:
        """The calls decide."""

    def on_outbox(self, wake: Callable[[], None]) -> None:
        for store in self._stores:
            store.on_outbox(wake)


STORES = [
    StoreRow("sqlite", open_sqlite, outbox=True, sweeper=True, nul=True),
    StoreRow("wrapped", open_wrapped, outbox=True, sweeper=True, nul=True),  # what other tests stand on
    StoreRow("postgresql", open_postgresql, outbox=True, sweeper=True, nul=False, server="postgresql", group=GROUP),
    StoreRow(
        "two on one postgresql", open_pair, outbox=True, sweeper=True, nul=False, server="postgresql", group=GROUP
    ),
    StoreRow("pgbouncer", open_pooled, outbox=True, sweeper=True, nul=False, server="pgbouncer", group=GROUP),
]
