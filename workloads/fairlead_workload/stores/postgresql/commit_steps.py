"""Committing units in steps, for those that write several tables or require documents.

What they touch is locked in the order of its keys and read; `stores/settling.py` decides; what has come of it is
written. A row that came after it was found absent makes an insert fail, so nothing is overwritten that was not seen.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg

from fairlead_workload.errors import Conflict
from fairlead_workload.model.versions import from_time
from fairlead_workload.stores.base import Committed, Key, OutboxEvent, RecordWrite
from fairlead_workload.stores.postgresql.connections import Connection, Rows, Statement, execute
from fairlead_workload.stores.postgresql.statements import DocumentSql, RecordSql
from fairlead_workload.stores.postgresql.units import PreparedUnit, array, event_fields, record_fields
from fairlead_workload.stores.relational.rows import Row
from fairlead_workload.stores.settling import Settling

_BEGIN = Statement(b"BEGIN ISOLATION LEVEL READ COMMITTED")
_COMMIT = Statement(b"COMMIT")
_ROLLBACK = b"ROLLBACK"
_encode = msgspec.json.Encoder().encode


async def commit_in_steps(
    connection: Connection,
    units: Sequence[PreparedUnit],
    records: RecordSql,
    *,
    settings: Sequence[Statement],
    now: float,
) -> list[Committed | Conflict]:
    """What has become of each unit, in one transaction that begins with `settings`."""
    locks = _Locks(units, records)
    try:
        results = await execute(connection, [_BEGIN, *settings, *locks.statements, Statement(records.floor)])
        settling = locks.read(results[1 + len(settings) :], now)
        outcomes = settling.settle_all((unit.unit, [(row,) for row in unit.rows]) for unit in units)
        writes = locks.writes(settling)
        if writes:
            await execute(connection, [*writes, _COMMIT])
        else:
            await _roll_back(connection)
    except psycopg.Error:
        await _roll_back(connection)
        raise
    return outcomes


async def _roll_back(connection: Connection) -> None:
    if not connection.closed and connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        await connection.execute(_ROLLBACK)


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
        """The state that units are settled in; `results` end with the floor, read when everything is locked."""
        *found, floor = results
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
                statements.append(Statement(table.write, (array(parts),)))
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
            rows.append({"new": not known, "v": revision, **record_fields(write)})
        return rows


def _outbox(events: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {"position": at, **event_fields(OutboxEvent(id_, key, body, mutation, version))}
        for at, (id_, key, body, mutation, version) in enumerate(events)
    ]
