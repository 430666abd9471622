"""Committing units: many in one statement where that can be, else lock and read, settle, and write in one transaction.

Units that write one table at most, and require nothing, take one round trip (`commit_statement`). The others take two:
what they touch is locked in the order of its keys and read; `stores/settling.py` decides; what has come of it is
written. A row that came after it was found absent makes an insert fail, so nothing is overwritten that was not seen.

What others' locks or writes stop is done again; many units are then divided by the coalescer, so that the one that has
to wait does not hold up the others. A commit whose connection is lost may be done or not, and is never repeated.
"""

import asyncio
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from fairlead_workload.errors import Conflict, Refused, Unavailable
from fairlead_workload.model.versions import from_time
from fairlead_workload.stores.base import Committed, Expect, Key, Mutation, OutboxEvent, RecordWrite, Unit
from fairlead_workload.stores.postgresql.commit_statement import ABSENT, PRESENT, commit_statement
from fairlead_workload.stores.postgresql.connections import (
    Connection,
    Pool,
    Rows,
    Statement,
    execute,
    local_settings,
)
from fairlead_workload.stores.postgresql.faults import DATASTORE, Contended
from fairlead_workload.stores.postgresql.statements import Catalogue, DocumentSql, RecordSql
from fairlead_workload.stores.relational.rows import Row
from fairlead_workload.stores.relational.values import is_text
from fairlead_workload.stores.settling import Settling

Outcome = Committed | Conflict | Exception
Lane = DocumentSql | Catalogue | None  # the units of one table of documents; of several; of none

ATTEMPTS = 5
BATCH_ATTEMPTS = 2
_BEGIN = Statement(b"BEGIN ISOLATION LEVEL READ COMMITTED")
_COMMIT = Statement(b"COMMIT")
_ROLLBACK = b"ROLLBACK"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, eq=False)
class PreparedUnit:
    """A unit with its documents as JSON, for the tables of `catalogue`.

    `tables` and `rows` are those of its mutations, `required` those of its requirements that can be there.

    A row is the inside of a JSON object and its closing brace, so that fields can be put before it.
    """

    unit: Unit
    catalogue: Catalogue
    tables: tuple[DocumentSql, ...]
    rows: tuple[bytes, ...]
    required: tuple[tuple[DocumentSql, Key], ...]

    @property
    def lane(self) -> Lane:
        if self.unit.requires or len(set(self.tables)) > 1:
            return self.catalogue
        return self.tables[0] if self.tables else None

    @property
    def keys(self) -> list[Hashable]:
        """What no other unit may write at the same time."""
        documents = [(mutation.resource, mutation.key) for mutation in self.unit.mutations]
        return [*documents, *((write.space, write.id, "record") for write in self.unit.records)]


def prepare(unit: Unit, catalogue: Catalogue) -> PreparedUnit:
    """Encode the unit's documents. Raises `Refused` for keys and values that cannot be stored."""
    tables = tuple(catalogue.find(mutation.resource) for mutation in unit.mutations)
    rows = tuple(_row(table, mutation) for table, mutation in zip(tables, unit.mutations, strict=True))
    for name in _names(unit):
        if not is_text(name):
            raise Refused(DATASTORE, f"PostgreSQL cannot store the name {name!r}")
    required = []
    for resource, key in unit.requires:
        table = catalogue.find(resource)
        comparable = table.codec.key(key)
        if comparable is not None:
            required.append((table, comparable))
    return PreparedUnit(unit, catalogue, tables, rows, tuple(required))


def _names(unit: Unit) -> Iterable[str]:
    for write in unit.records:
        yield write.space
        yield write.id
    for event in unit.outbox:
        yield event.id
        yield event.key


def _row(table: DocumentSql, mutation: Mutation) -> bytes:
    key = table.codec.storable_key(mutation.key)
    document = mutation.document
    row = table.codec.tombstone(key) if document is None else table.codec.encode(key, document)
    fields = {field: value for field, value in zip(table.fields, row, strict=True) if value is not None}
    try:
        text = _encode(fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(DATASTORE, f"{table.resource}: a value cannot be stored as JSON: {error}") from None
    if b"\\u0000" in text:
        _check_nul(table, row)
    return text[1:]


def _check_nul(table: DocumentSql, row: Row) -> None:
    """Raise `Refused` if a string has a NUL, which PostgreSQL's text cannot hold, with the property that has it."""
    properties = [column.property for column in table.table.layout.columns]
    values = dict(zip(properties, row, strict=False))
    extra = row[len(properties)]
    values |= extra[0] if isinstance(extra, list) else extra or {}
    for property_, value in values.items():
        if _has_nul(value) or "\0" in property_:
            what = "a string with the character NUL, which PostgreSQL cannot store"
            raise Refused(DATASTORE, f"{table.resource}: {property_!r} has {what}")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


class Committer:
    """Commits batches of units on the connections of `pool`, each batch of one lane."""

    def __init__(self, pool: Pool, records: RecordSql, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._records = records
        self._clock = clock
        self._statements: dict[DocumentSql | None, bytes] = {}

    async def commit(self, lane: Lane, units: list[PreparedUnit]) -> list[Outcome]:
        """What has become of each unit. Raises `Contended` for many that others hold up, to be done in parts."""
        work = self._in_steps(units) if isinstance(lane, Catalogue) else self._in_one_statement(lane, units)
        alone = len(units) == 1
        attempts = ATTEMPTS if alone else BATCH_ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return await self._pool.run(work)
            except Contended as error:
                if not error.waited and attempt < attempts:
                    await asyncio.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - no secret
                elif alone:
                    raise Unavailable(DATASTORE, f"others hold what is to be written: {error}") from None
                else:
                    raise
        raise AssertionError("the last attempt ends the loop")

    def _in_one_statement(
        self, documents: DocumentSql | None, units: list[PreparedUnit]
    ) -> Callable[[Connection], Awaitable[list[Outcome]]]:
        sql = self._statements.get(documents)
        if sql is None:
            sql = self._statements[documents] = commit_statement(self._records, documents)
        writes, mutations = (_record_writes(units), _events(units)), (_mutations(units),) if documents else ()

        async def work(connection: Connection) -> list[Outcome]:
            now = self._clock()
            statement = Statement(sql, (*writes, str(from_time(now)), repr(now), *mutations))
            rows = (await execute(connection, [*self._settings(units), statement]))[-1]
            return _outcomes(units, rows, now)

        return work

    def _settings(self, units: Sequence[PreparedUnit]) -> list[Statement]:
        settings = local_settings(self._pool.server, alone=len(units) == 1)
        return [] if settings is None else [settings]

    def _in_steps(self, units: list[PreparedUnit]) -> Callable[[Connection], Awaitable[list[Outcome]]]:
        locks = _Locks(units, self._records)

        async def work(connection: Connection) -> list[Outcome]:
            now = self._clock()
            try:
                first = [_BEGIN, *self._settings(units), Statement(self._records.floor), *locks.statements]
                results = await execute(connection, first)
                settling = locks.read(results[-len(locks.statements) - 1 :], now)
                outcomes = _settle(settling, units, [[(row,) for row in unit.rows] for unit in units])
                writes = locks.writes(settling)
                if writes:
                    await execute(connection, [*writes, _COMMIT])
                    return outcomes
            except psycopg.Error:
                await _roll_back(connection)
                raise
            await _roll_back(connection)
            return outcomes

        return work


async def _roll_back(connection: Connection) -> None:
    if not connection.closed and connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        await connection.execute(_ROLLBACK)


def _settle(settling: Settling, units: Sequence[PreparedUnit], rows: Iterable[Sequence[Row]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for unit, own in zip(units, rows, strict=True):
        try:
            outcomes.append(settling.settle(unit.unit, own))
        except Conflict as conflict:
            outcomes.append(conflict)
    return outcomes


# In one statement


def _mutations(units: Sequence[PreparedUnit]) -> str:
    parts = [
        b'{"n":%d,"p":%d,"put":%b,"expect":%b,"at":%b,%b'
        % (
            n,
            p,
            b"false" if mutation.document is None else b"true",
            _expectation(mutation.expect),
            b"null" if mutation.version is None else b"%d" % mutation.version,
            row,
        )
        for n, unit in enumerate(units)
        for p, (mutation, row) in enumerate(zip(unit.unit.mutations, unit.rows, strict=True))
    ]
    return _array(parts)


def _array(parts: Sequence[bytes]) -> str:
    return (b"[" + b",".join(parts) + b"]").decode()


def _expectation(expect: Expect | int) -> bytes:
    if expect is Expect.ANY:
        return b"null"
    if expect is Expect.ABSENT:
        return b"%d" % ABSENT
    return b"%d" % (PRESENT if expect is Expect.PRESENT else expect)


def _record_writes(units: Sequence[PreparedUnit]) -> str:
    writes = [
        {"n": n, "p": p, "expect": msgspec.Raw(_expectation(write.expect)), **_record(write)}
        for n, unit in enumerate(units)
        for p, write in enumerate(unit.unit.records)
    ]
    return _encode(writes).decode()


def _record(write: RecordWrite) -> dict[str, Any]:
    value = None if write.value is None else b64encode(write.value).decode()
    return {"space": write.space, "id": write.id, "value": value, "until": write.expires_at}


def _events(units: Sequence[PreparedUnit]) -> str:
    events = ((n, event) for n, unit in enumerate(units) for event in unit.unit.outbox)
    return _encode([{"n": n, "position": at, **_event(event)} for at, (n, event) in enumerate(events)]).decode()


def _event(event: OutboxEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "key": event.key,
        "body": b64encode(event.body).decode(),
        "mutation": event.mutation,
        "version": event.version,
    }


def _outcomes(units: Sequence[PreparedUnit], rows: Rows, now: float) -> list[Outcome]:
    """The statement says what it found and which units it did not write; settling says what they have become."""
    (least,) = (row[3] for row in rows if row[0] == 3)
    settling = Settling(now=now, create_version=least)
    failing = set()
    for kind, n, p, found, there, expires in rows:
        if kind == 2:
            failing.add(n)
        elif found is not None and kind == 0:
            mutation = units[n].unit.mutations[p]
            settling.documents[mutation.resource, mutation.key] = (found, there)
        elif found is not None and kind == 1:
            write = units[n].unit.records[p]
            settling.records[write.space, write.id] = (found, expires)
    outcomes = _settle(settling, units, [[()] * len(unit.rows) for unit in units])
    if failing != {n for n, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)}:
        raise AssertionError("PostgreSQL and the settling of units disagree about conditions")
    return outcomes


# In steps


class _Locks:
    """What some units touch, by table, and the statements that lock it."""

    def __init__(self, units: Iterable[PreparedUnit], records: RecordSql) -> None:
        self._records = records
        self._keys: dict[DocumentSql, dict[Key, None]] = {}
        self._places: dict[tuple[str, str], None] = {}
        written: set[DocumentSql] = set()
        for unit in units:
            written.update(unit.tables)
            for table, mutation in zip(unit.tables, unit.unit.mutations, strict=True):
                self._keys.setdefault(table, {})[mutation.key] = None
            for table, key in unit.required:
                self._keys.setdefault(table, {})[key] = None
            self._places.update(((write.space, write.id), None) for write in unit.unit.records)
        self._tables = sorted(self._keys, key=lambda table: table.resource)
        self.statements = [self._lock(table, shared=table not in written) for table in self._tables]
        if self._places:
            wanted = [{"space": space, "id": id_} for space, id_ in self._places]
            self.statements.append(Statement(records.lock, (_encode(wanted).decode(),)))

    def _lock(self, table: DocumentSql, *, shared: bool) -> Statement:
        wanted = [
            {"n": n, **dict(zip(table.key_fields, table.codec.key_values(key), strict=True))}
            for n, key in enumerate(self._keys[table])
        ]
        return Statement(table.share if shared else table.lock, (_encode(wanted).decode(),))

    def read(self, results: Sequence[Rows], now: float) -> Settling:
        """The state that units are settled in; `results` begin with that of the floor."""
        floor, *found = results
        least = max([from_time(now), *(value for (value,) in floor)])
        settling = Settling(now=now, create_version=least)
        for table, rows in zip(self._tables, found, strict=False):
            keys = list(self._keys[table])
            settling.documents.update({(table.resource, keys[n]): (version, live) for n, version, live in rows})
        if self._places:
            settling.records.update({(space, id_): held for space, id_, *held in found[-1]})
        self._known_documents = set(settling.documents)
        self._known_records = set(settling.records)
        return settling

    def writes(self, settling: Settling) -> list[Statement]:
        """What writes the outcome, in the order of inserts that every transaction has."""
        statements = []
        if records := self._record_rows(settling):
            statements.append(Statement(self._records.write, (_encode(records).decode(),)))
        if settling.outbox:
            statements.append(Statement(self._records.publish, (_encode(_outbox(settling.outbox)).decode(),)))
        for table in self._tables:
            rows = settling.rows.get(table.resource)
            if rows:
                parts = [self._document_row(table, key, row) for key, row in rows.items()]
                statements.append(Statement(table.write, (_array(parts),)))
        return statements

    def _document_row(self, table: DocumentSql, key: Key, row: Row) -> bytes:
        text, version, deleted_at = row
        new = b"false" if (table.resource, key) in self._known_documents else b"true"
        return b'{"new":%b,"v":%d,"gone":%b,%b' % (new, version, _encode(deleted_at), text)

    def _record_rows(self, settling: Settling) -> list[dict[str, Any]]:
        rows = []
        for place, row in settling.record_writes.items():
            known = place in self._known_records
            if row is not None:
                write, revision = RecordWrite(*place, row[2], row[4]), row[3]
            elif known:  # the least revision of what is new has grown past that of what is removed
                write, revision = RecordWrite(*place, None), settling.create_version
            else:
                continue
            rows.append({"new": not known, "v": revision, **_record(write)})
        return rows


def _outbox(events: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {"position": at, **_event(OutboxEvent(id_, key, body, mutation, version))}
        for at, (id_, key, body, mutation, version) in enumerate(events)
    ]
