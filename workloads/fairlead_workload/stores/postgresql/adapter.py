"""The adapter: a `Store` with an outbox and a sweep, on a schema of a PostgreSQL database.

Calls of one tick share round trips. A pod serves with the layouts that it found; when it meets a row that was written
under a newer one, it takes that over and reads again, so that it neither shows nor writes half a document.
Versions of new documents follow the clock, and a mark in the schema keeps them above every one that was swept.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from fairlead_contract.spec.api import Resource
from fairlead_workload.coalescing import Coalescer
from fairlead_workload.errors import FairleadError
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
from fairlead_workload.stores.postgresql import faults, migration, outbox
from fairlead_workload.stores.postgresql.commit import Committer, Outcomes
from fairlead_workload.stores.postgresql.connections import Connection, Pool, Rows, Server, Statement
from fairlead_workload.stores.postgresql.dialect import array_text, texts
from fairlead_workload.stores.postgresql.faults import DATASTORE
from fairlead_workload.stores.postgresql.listening import Listener, Notifier, channel_name
from fairlead_workload.stores.postgresql.servers import Servers
from fairlead_workload.stores.postgresql.statements import Catalogue, DocumentSql, RecordSql
from fairlead_workload.stores.postgresql.sweeping import SweepSql
from fairlead_workload.stores.postgresql.units import Lane, PreparedUnit, prepare
from fairlead_workload.stores.relational.outbox import outbox_rows, refused_events
from fairlead_workload.stores.relational.queries import PageStatement, page_statement
from fairlead_workload.stores.relational.rows import RowCodec

T = TypeVar("T")

POOL_SIZE = 10
ANSWERED_SECONDS = 4.0  # less than between two checks
QUERIES_LIMIT = 32  # a list is much work for one answer
_Wanted = tuple[str, Query, PageStatement]


class PostgresqlStore:
    """Documents and records of `resources` in `schema`. Capabilities: `OutboxSource`, `Sweeper`.

    `open` makes one. `listen` is the server without a pooler in between, where commits of other processes are heard of;
    without it they are found by polling. `clock` gives unix seconds.
    """

    def __init__(
        self,
        servers: Servers,
        catalogue: Catalogue,
        resources: Sequence[Resource],
        *,
        schema: str,
        listen: Server | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._servers = servers
        self._catalogue = catalogue
        self._resources = resources
        self._schema = schema
        self._clock = clock
        self._record_sql = RecordSql(schema)
        self._outbox_sql = outbox.OutboxSql(schema)
        self._sweep_sql = SweepSql(schema)
        self._committer = Committer(servers.primary, self._record_sql, clock)
        self._commits = Coalescer[Lane, PreparedUnit, Committed](
            self._commit_all, dependency=DATASTORE, weigh=lambda unit: unit.weight
        )
        self._gets = Coalescer[tuple[str, bool], Key, Record | None](self._get_all, dependency=DATASTORE)
        self._queries = Coalescer[bool, _Wanted, Page](self._query_all, dependency=DATASTORE, batch_limit=QUERIES_LIMIT)
        self._record_reads = Coalescer[None, tuple[str, str], StoredRecord | None](
            self._records_all, dependency=DATASTORE
        )
        self._wake: Callable[[], None] = _nobody
        self._listen = listen
        self._listener: Listener | None = None
        self._notifier = Notifier(servers, channel_name(schema)) if listen is not None else None

    @classmethod
    async def open(
        cls,
        server: Server,
        resources: Sequence[Resource],
        *,
        schema: str,
        pool_size: int = POOL_SIZE,
        replica: Server | None = None,
        listen: Server | None = None,
        clock: Callable[[], float] = time.time,
    ) -> "PostgresqlStore":
        """Connect, and see that the schema fits. Raises `Unavailable`, and `Misconfigured` when it does not fit."""
        # A replica takes no writes.
        follower = None if replica is None else Pool(replace(replica, session="any"), pool_size, schema=schema)
        servers = Servers(Pool(server, pool_size, schema=schema), follower)
        try:
            catalogue = await _read_catalogue(servers.primary, schema, resources)
        except BaseException:
            await servers.close()
            raise
        return cls(servers, catalogue, resources, schema=schema, listen=listen, clock=clock)

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:
        codec = self._catalogue.find(resource).codec
        lane = (resource, strong or not self._servers.has_replica)
        return await _all([self._gets.share(lane, key) if codec.key(key) is not None else None for key in keys])

    async def query(self, resource: str, query: Query, *, strong: bool = False) -> Page:
        statement = page_statement(self._catalogue.find(resource).table, query)
        if statement is None:
            return Page([], None)
        lane = strong or not self._servers.has_replica
        return await self._queries.call(lane, (resource, query, statement))

    def commit(self, unit: Unit) -> "asyncio.Future[Committed]":
        try:
            prepared = prepare(unit, self._catalogue)
            return self._commits.call(prepared.lane, prepared, prepared.keys)
        except FairleadError as error:
            failed: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    async def records(self, ids: Sequence[tuple[str, str]]) -> list[StoredRecord | None]:
        return await _all([self._record_reads.share(None, place) for place in ids])

    async def check(self) -> None:
        if self._servers.primary.has_answered(ANSWERED_SECONDS):
            return  # traffic is a check; one more would wait for a connection while all are busy
        [[(read_only,)], _] = await self._servers.read(
            [Statement(b"SELECT current_setting('transaction_read_only')"), Statement(self._record_sql.floor)]
        )
        if read_only != "off":
            self._servers.primary.renew()
            raise faults.read_only("PostgreSQL takes no writes")

    async def close(self) -> None:
        for coalescer in (self._commits, self._gets, self._queries, self._record_reads):
            await coalescer.close()
        for part in (self._listener, self._notifier, self._servers):
            if part is not None:
                await part.close()

    async def unpublished(self, limit: int, *, held: Collection[str] = ()) -> list[OutboxRow]:
        [rows] = await self._servers.read([self._outbox_sql.unpublished(limit, held)])
        return outbox_rows(rows)

    async def outbox_size(self, limit: int) -> OutboxSize:
        [[(pending, refused)]] = await self._servers.read([self._outbox_sql.size(limit)])
        return OutboxSize(int(pending), int(refused))

    async def published(self, rows: Sequence[OutboxRow]) -> None:
        await self._servers.write(self._outbox_sql.published(rows))

    async def refuse(self, rows: Sequence[tuple[OutboxRow, str]]) -> None:
        await self._servers.write(self._outbox_sql.refuse(rows, self._clock()))

    async def refused(self, limit: int, *, after: int = 0) -> list[RefusedEvent]:
        [rows] = await self._servers.read([self._outbox_sql.refused(limit, after)])
        return refused_events(rows)

    async def unrefuse(self, numbers: Sequence[int]) -> list[int]:
        rows = await self._servers.write(self._outbox_sql.unrefuse(numbers))
        self._committed_events()
        return _in_order(numbers, rows)

    async def discard_refused(self, numbers: Sequence[int]) -> list[int]:
        return _in_order(numbers, await self._servers.write(self._outbox_sql.discard_refused(numbers)))

    def on_outbox(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        if self._listen is not None and self._listener is None:
            self._listener = Listener(self._listen, channel_name(self._schema), lambda: self._wake())

    async def sweep(self, *, now: float, tombstones_before: float, limit: int = 1000) -> int:
        [(swept,)] = await self._servers.write(self._sweep_sql.records(now, limit))
        for documents in self._catalogue:
            if swept < limit:
                statement = self._sweep_sql.tombstones(documents, tombstones_before, limit - swept)
                [(count,)] = await self._servers.write(statement)
                swept += count
        await self._write_again(limit)
        return int(swept)

    async def _write_again(self, limit: int) -> None:
        """Bring what pods with former layouts wrote to the layouts of this one."""
        for documents in self._catalogue:
            if documents.table.layout.number > 1:

                async def work(connection: Connection, documents: DocumentSql = documents) -> None:
                    async with connection.transaction():
                        await migration.write_again(connection, documents, limit)

                await self._servers.primary.run(work)

    async def _commit_all(self, lane: Lane, units: list[PreparedUnit]) -> Outcomes:
        outcomes = await self._committer.commit(lane, units)
        ended = zip(units, outcomes, strict=True)
        if any(unit.unit.outbox and isinstance(outcome, Committed) for unit, outcome in ended):
            self._committed_events()
        return outcomes

    def _committed_events(self) -> None:
        self._wake()
        if self._notifier is not None:
            self._notifier.notify()

    async def _get_all(self, lane: tuple[str, bool], keys: list[Key]) -> list[Record | None]:
        resource, strong = lane
        documents = self._catalogue.find(resource)
        rows = await self._get_rows(documents, keys, strong=strong)
        if _is_newer(rows, documents.codec):
            await self._reload()
            documents = self._catalogue.find(resource)
            rows = await self._get_rows(documents, keys, strong=strong)
        found = {record.key: record for record in map(documents.codec.record, rows)}
        return [found.get(key) for key in keys]

    async def _get_rows(self, documents: DocumentSql, keys: Iterable[Key], *, strong: bool) -> Rows:
        arrays = [array_text(values) for values in zip(*map(documents.codec.key_values, keys), strict=True)]
        [rows] = await self._servers.read([Statement(documents.get, arrays)], strong=strong)
        return rows

    async def _query_all(self, strong: bool, wanted: list[_Wanted]) -> list[Page]:
        statements = [statement for _, _, statement in wanted]
        results = await self._query_rows(statements, strong=strong)
        if any(_is_newer(rows, one.table.codec) for one, rows in zip(statements, results, strict=True)):
            await self._reload()
            again = [page_statement(self._catalogue.find(resource).table, query) for resource, query, _ in wanted]
            statements = [each for each in again if each is not None]  # as before, none is
            results = await self._query_rows(statements, strong=strong)
        return [one.page(rows) for one, rows in zip(statements, results, strict=True)]

    async def _query_rows(self, statements: Iterable[PageStatement], *, strong: bool) -> list[Rows]:
        sent = [Statement(one.sql.encode(), texts(one.values)) for one in statements]
        return await self._servers.read(sent, strong=strong)

    async def _records_all(self, _: None, places: list[tuple[str, str]]) -> list[StoredRecord | None]:
        now = self._clock()
        arrays = [array_text(names) for names in zip(*places, strict=True)]
        [rows] = await self._servers.read([Statement(self._record_sql.get, arrays, binary=True)])
        stored = (StoredRecord(*row) for row in rows)
        live = {(one.space, one.id): one for one in stored if one.expires_at is None or one.expires_at > now}
        return [live.get(place) for place in places]

    async def _reload(self) -> None:
        self._catalogue = await _read_catalogue(self._servers.primary, self._schema, self._resources)


async def _read_catalogue(pool: Pool, schema: str, resources: Sequence[Resource]) -> Catalogue:
    stored = await pool.run(lambda connection: migration.stored_layouts(connection, schema))
    return Catalogue(schema, migration.served_layouts(stored, resources))


async def _all(wanted: "Sequence[asyncio.Future[T | None] | None]") -> list[T | None]:
    """The result of each, or the error of the first that fails; None where nothing is asked for."""
    asked = [future for future in wanted if future is not None]
    results = iter([await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked))
    return [None if future is None else next(results) for future in wanted]


def _is_newer(rows: Rows, codec: RowCodec) -> bool:
    """Whether one of the rows was written under a layout that is not known here yet."""
    return any(codec.layout_of(row) > codec.layout.number for row in rows)


def _in_order(numbers: Sequence[int], rows: Rows) -> list[int]:
    there = {number for (number,) in rows}
    return [number for number in numbers if number in there]


def _nobody() -> None:
    """Nobody waits for the outbox."""
