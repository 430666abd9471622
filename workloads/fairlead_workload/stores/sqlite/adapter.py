"""The adapter: a `Store` with an outbox and a sweep, on the shared database.

Versions of new documents never go back: they follow the clock, and a mark in the file keeps them above every tombstone
that was swept, so a clock set back does no harm either.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Conflict, FairleadError, Refused
from fairlead_workload.model.versions import from_time
from fairlead_workload.sqlite import BatchOperation, Database, Lookup
from fairlead_workload.stores.base import (
    Committed,
    Key,
    OutboxRow,
    OutboxSize,
    Page,
    Query,
    Record,
    RefusedEvent,
    StoredRecord,
    Unit,
)
from fairlead_workload.stores.sqlite import outbox
from fairlead_workload.stores.sqlite.migration import existing, migrate
from fairlead_workload.stores.sqlite.queries import read_page
from fairlead_workload.stores.sqlite.units import Batch, PreparedUnit, Table, prepare

_DATASTORE = "datastore"
_FLOOR = "highest swept version"
_RECORDS = Lookup("space, id, value, revision, expires_at", table="_records", key_columns=("space", "id"))
_SETTINGS = "SELECT value FROM _marks WHERE name = ?"
_SET = "INSERT INTO _marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"


class SqliteStore:
    """Documents and records of `resources` in `database`. Capabilities: `OutboxSource`, `Sweeper`.

    Brings the file to `resources` when made (blocks; raises `Misconfigured` when it cannot); beside a server it takes
    the server's tables as they are. `clock` gives unix seconds. The database is closed by whoever opened it.
    """

    def __init__(
        self, database: Database, resources: Sequence[Resource], *, clock: Callable[[], float] = time.time
    ) -> None:
        bring = migrate if database.exclusive else existing
        layouts = database.migrate(lambda connection: bring(connection, resources))
        self._database = database
        self._tables = {name: Table(layout) for name, layout in layouts.items()}
        self._clock = clock
        self._latest = database.migrate(_read_floor)
        self._wake: Callable[[], None] = _nobody
        self._commits = BatchOperation(_DATASTORE, self._commit_all)
        self._gets = BatchOperation(_DATASTORE, self._get_all)
        self._queries = BatchOperation(_DATASTORE, self._query_all)
        self._record_reads = BatchOperation(_DATASTORE, self._records_all)

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:  # noqa: ARG002 - always strong
        found: list[Record | None] = await self._database.reader.submit(self._gets, (self._table(resource), keys))
        return found

    async def query(self, resource: str, query: Query, *, strong: bool = False) -> Page:  # noqa: ARG002 - always strong
        page: Page = await self._database.reader.submit(self._queries, (self._table(resource), query))
        return page

    def commit(self, unit: Unit) -> "asyncio.Future[Committed]":
        try:
            future = self._database.writer.submit(self._commits, self._prepared(unit))
        except FairleadError as error:
            failed: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed
        if unit.outbox:
            future.add_done_callback(lambda _: self._wake())
        return future

    def _prepared(self, unit: Unit) -> PreparedUnit:
        for mutation in unit.mutations:
            self._table(mutation.resource)
        for resource, _ in unit.requires:
            self._table(resource)
        return prepare(unit, self._tables)

    async def records(self, ids: Sequence[tuple[str, str]]) -> list[StoredRecord | None]:
        found: list[StoredRecord | None] = await self._database.reader.submit(self._record_reads, ids)
        return found

    async def check(self) -> None:
        await self._database.check(_DATASTORE)

    async def close(self) -> None:
        await self._database.writer.submit(BatchOperation(_DATASTORE, _nothing), None)

    async def unpublished(self, limit: int, *, held: Collection[str] = ()) -> list[OutboxRow]:
        rows: list[OutboxRow] = await self._database.reader.submit(_UNPUBLISHED, (limit, held))
        return rows

    async def outbox_size(self, limit: int) -> OutboxSize:
        size: OutboxSize = await self._database.reader.submit(_OUTBOX_SIZE, limit)
        return size

    async def published(self, rows: Sequence[OutboxRow]) -> None:
        await self._database.writer.submit(_PUBLISHED, rows)

    async def refuse(self, rows: Sequence[tuple[OutboxRow, str]]) -> None:
        await self._database.writer.submit(_REFUSE, (rows, self._clock()))

    async def refused(self, limit: int, *, after: int = 0) -> list[RefusedEvent]:
        events: list[RefusedEvent] = await self._database.reader.submit(_REFUSED, (limit, after))
        return events

    async def unrefuse(self, numbers: Sequence[int]) -> list[int]:
        moved: list[int] = await self._database.writer.submit(_UNREFUSE, numbers)
        self._wake()
        return moved

    async def discard_refused(self, numbers: Sequence[int]) -> list[int]:
        removed: list[int] = await self._database.writer.submit(_DISCARD_REFUSED, numbers)
        return removed

    def on_outbox(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    async def sweep(self, *, now: float, tombstones_before: float, limit: int = 1000) -> int:
        operation = BatchOperation(_DATASTORE, self._sweep_all)
        count: int = await self._database.writer.submit(operation, (now, tombstones_before, limit))
        return count

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise Refused(_DATASTORE, f"there is no resource '{name}'")
        return table

    def _commit_all(self, connection: sqlite3.Connection, units: list[PreparedUnit]) -> list[Committed | Conflict]:
        now = self._clock()
        batch = Batch(connection, self._tables, now=now, create_version=self._create_version(now))
        outcomes = batch.commit(units)
        self._latest = batch.create_version
        return outcomes

    def _create_version(self, now: float) -> int:
        """Unix microseconds, or the latest there was if the clock went back."""
        self._latest = max(self._latest, from_time(now))
        return self._latest

    def _get_all(
        self, connection: sqlite3.Connection, requests: list[tuple[Table, Sequence[Key]]]
    ) -> list[list[Record | None]]:
        wanted: dict[Table, set[Key]] = {}
        for table, keys in requests:
            comparable = map(table.codec.key, keys)
            wanted.setdefault(table, set()).update(key for key in comparable if key is not None)
        found = {table: _get(connection, table, keys) for table, keys in wanted.items()}
        return [[found[table].get(key) for key in keys] for table, keys in requests]

    def _query_all(
        self, connection: sqlite3.Connection, requests: list[tuple[Table, Query]]
    ) -> list[Page | FairleadError]:
        pages: list[Page | FairleadError] = []
        for table, query in requests:
            try:
                pages.append(read_page(connection, table, query))
            except FairleadError as error:
                pages.append(error)
        return pages

    def _records_all(
        self, connection: sqlite3.Connection, requests: list[Sequence[tuple[str, str]]]
    ) -> list[list[StoredRecord | None]]:
        now = self._clock()
        places = list({place for ids in requests for place in ids})
        rows = (StoredRecord(*row) for row in _RECORDS.rows(connection, places))
        live = {(one.space, one.id): one for one in rows if one.expires_at is None or one.expires_at > now}
        return [[live.get(place) for place in ids] for ids in requests]

    def _sweep_all(self, connection: sqlite3.Connection, requests: list[tuple[float, float, int]]) -> list[int]:
        return [self._sweep(connection, *request) for request in requests]

    def _sweep(self, connection: sqlite3.Connection, now: float, before: float, limit: int) -> int:
        expired = "SELECT space, id FROM _records WHERE expires_at <= ? LIMIT ?"
        revisions = connection.execute(
            f"DELETE FROM _records WHERE (space, id) IN ({expired}) RETURNING revision",  # noqa: S608
            (now, limit),
        ).fetchall()
        self._raise_floor(connection, revisions)
        swept = len(revisions)
        for table in self._tables.values():
            if swept >= limit:
                break
            keys = ", ".join(table.key_columns)
            old = f"SELECT {keys} FROM {table.name} WHERE _deleted_at < ? ORDER BY _deleted_at LIMIT ?"  # noqa: S608
            versions = connection.execute(
                f"DELETE FROM {table.name} WHERE ({keys}) IN ({old}) RETURNING _version",  # noqa: S608
                (before, limit - swept),
            ).fetchall()
            self._raise_floor(connection, versions)
            swept += len(versions)
        return swept

    def _raise_floor(self, connection: sqlite3.Connection, swept: list[tuple[int]]) -> None:
        """Keep what is new above the versions and revisions that nothing remembers any more."""
        if swept:
            self._latest = max(self._latest, *(version + 1 for (version,) in swept))
            connection.execute(_SET, (_FLOOR, self._latest))


def _get(connection: sqlite3.Connection, table: Table, keys: set[Key]) -> dict[Key, Record]:
    records = map(table.codec.record, table.documents.rows(connection, list(keys)))
    return {record.key: record for record in records}


def _read_floor(connection: sqlite3.Connection) -> int:
    row = connection.execute(_SETTINGS, (_FLOOR,)).fetchone()
    return int(row[0]) if row else 0


def _nothing(_: sqlite3.Connection, requests: list[Any]) -> list[None]:
    return [None] * len(requests)


def _nobody() -> None:
    """Nobody waits for the outbox."""


_UNPUBLISHED = BatchOperation(_DATASTORE, outbox.unpublished)
_OUTBOX_SIZE = BatchOperation(_DATASTORE, outbox.sizes)
_PUBLISHED = BatchOperation(_DATASTORE, outbox.published)
_REFUSE = BatchOperation(_DATASTORE, outbox.refuse)
_REFUSED = BatchOperation(_DATASTORE, outbox.refused)
_UNREFUSE = BatchOperation(_DATASTORE, outbox.unrefuse)
_DISCARD_REFUSED = BatchOperation(_DATASTORE, outbox.discard_refused)
