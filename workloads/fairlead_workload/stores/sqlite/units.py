"""Committing units: check against what is stored and what the batch has already settled, then write everything at once.

A unit's conditions are checked before anything of it is written, in the order records, requires, mutations, so a
conflict leaves nothing to undo and units in one transaction see each other. Each key is read at most once and written
at most once per batch, with one statement per table.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any

from fairlead_workload.errors import Conflict, ConflictKind
from fairlead_workload.model.versions import next_version
from fairlead_workload.sqlite import Lookup
from fairlead_workload.stores.base import Committed, Expect, Key, Mutation, OutboxEvent, RecordWrite, Unit
from fairlead_workload.stores.sqlite.layout import OWN_COLUMNS, Layout, quoted
from fairlead_workload.stores.sqlite.migration import column_list
from fairlead_workload.stores.sqlite.rows import Row, RowCodec

_RECORD_WRITE = (
    "INSERT INTO _records (space, id, value, revision, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (space, id)"
    " DO UPDATE SET value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at"
)
_RECORD_DELETE = "DELETE FROM _records WHERE space = ? AND id = ?"
_RECORDS = Lookup("space, id, revision, expires_at", table="_records", key_columns=("space", "id"))
_OUTBOX_WRITE = "INSERT INTO _outbox (id, key, body, mutation, version) VALUES (?, ?, ?, ?, ?)"


class Table:
    """A resource's codec and statements."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.codec = RowCodec(layout)
        self.name = quoted(layout.table)
        self.columns = column_list(layout)
        self.key_columns = tuple(quoted(layout.column(property_).name) for property_ in layout.key)
        self.documents = Lookup(
            self.columns, table=self.name, key_columns=self.key_columns, condition="_deleted_at IS NULL"
        )
        self.versions = Lookup(
            f"_version, _deleted_at IS NULL, {', '.join(self.key_columns)}",
            table=self.name,
            key_columns=self.key_columns,
        )
        self.write = self._upsert()

    def _upsert(self) -> str:
        values = ", ".join("?" * (len(self.layout.columns) + len(OWN_COLUMNS)))
        changed = [name for name in self.columns.split(", ") if name not in self.key_columns]
        assigned = ", ".join(f"{name} = excluded.{name}" for name in changed)
        return (
            f"INSERT INTO {self.name} ({self.columns}) VALUES ({values})"  # noqa: S608
            f" ON CONFLICT ({', '.join(self.key_columns)}) DO UPDATE SET {assigned}"
        )


PreparedUnit = tuple[Unit, list[Row]]  # with the rows of its mutations, the tombstone's for a delete


def prepare(unit: Unit, tables: dict[str, Table]) -> PreparedUnit:
    """Encode the unit's documents. Raises `Refused` for keys and values that cannot be stored."""
    rows = []
    for mutation in unit.mutations:
        codec = tables[mutation.resource].codec
        key = codec.storable_key(mutation.key)
        document = mutation.document
        rows.append(codec.tombstone(key) if document is None else codec.encode(key, document))
    return unit, rows


_Stored = tuple[int, bool]  # a document's version, and whether it is there (else a tombstone)
_Held = tuple[int, float | None]  # a record's revision and expiry
_ABSENT: _Stored = (0, False)


class Batch:
    """Units of one transaction.

    `create_version` is the least version of a new document, and the least revision of a new record. It grows past the
    revision of a record that the batch removes, so that none comes back.
    """

    def __init__(
        self, connection: sqlite3.Connection, tables: dict[str, Table], *, now: float, create_version: int
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._now = now
        self.create_version = create_version
        self._documents: dict[tuple[str, Key], _Stored] = {}
        self._rows: dict[str, dict[Key, Row]] = {}
        self._records: dict[tuple[str, str], _Held | None] = {}
        self._record_writes: dict[tuple[str, str], tuple[Any, ...] | None] = {}
        self._outbox: list[tuple[Any, ...]] = []

    def _load(self, units: Iterable[Unit]) -> None:
        """Read what the units touch."""
        keys: dict[str, set[Key]] = {}
        records: set[tuple[str, str]] = set()
        for unit in units:
            records.update((write.space, write.id) for write in unit.records)
            for mutation in unit.mutations:
                keys.setdefault(mutation.resource, set()).add(mutation.key)
            for resource, key in unit.requires:
                comparable = self._tables[resource].codec.key(key)
                if comparable is not None:
                    keys.setdefault(resource, set()).add(comparable)
        for resource, wanted in keys.items():
            for version, live, *found in self._tables[resource].versions.rows(self._connection, list(wanted)):
                self._documents[resource, tuple(found)] = (version, bool(live))
        for space, id_, revision, expires_at in _RECORDS.rows(self._connection, list(records)):
            self._records[space, id_] = (revision, expires_at)

    def _settle(self, prepared: PreparedUnit) -> Committed:
        """Settle one unit. Raises `Conflict`, and then nothing of the unit will be written."""
        unit, encoded = prepared
        records = self._settle_records(unit.records)
        self._check_required(unit.requires)
        documents: dict[tuple[str, Key], _Stored] = {}
        rows: list[tuple[Mutation, Row]] = []
        versions: list[int] = []
        for position, (mutation, row) in enumerate(zip(unit.mutations, encoded, strict=True)):
            place = (mutation.resource, mutation.key)
            stored = self._documents.get(place, _ABSENT)
            _check_expected(mutation, stored, position)
            version = self._next_version(mutation, stored)
            versions.append(version)
            if version:
                documents[place] = (version, mutation.document is not None)
                rows.append((mutation, (*row, version, self._now if mutation.document is None else None)))
        self._accept(documents, rows, records, unit.outbox, versions)
        return Committed(tuple(versions), tuple(0 if row is None else row[3] for row in records.values()))

    def _accept(
        self,
        documents: dict[tuple[str, Key], _Stored],
        rows: Iterable[tuple[Mutation, Row]],
        records: dict[tuple[str, str], tuple[Any, ...] | None],
        outbox: Iterable[OutboxEvent],
        versions: list[int],
    ) -> None:
        self._documents.update(documents)
        for mutation, row in rows:
            self._rows.setdefault(mutation.resource, {})[mutation.key] = row
        for place, written in records.items():
            held = self._records.get(place)
            if written is None and held is not None:
                self.create_version = max(self.create_version, held[0] + 1)
            self._records[place] = None if written is None else (written[3], written[4])
        self._record_writes.update(records)
        for event in outbox:
            version = event.version if event.mutation is None else versions[event.mutation]
            self._outbox.append((event.id, event.key, event.body, event.mutation, version))

    def _settle_records(self, writes: tuple[RecordWrite, ...]) -> dict[tuple[str, str], tuple[Any, ...] | None]:
        settled: dict[tuple[str, str], tuple[Any, ...] | None] = {}
        for position, write in enumerate(writes):
            place = (write.space, write.id)
            held = self._records.get(place)
            live = held is not None and (held[1] is None or held[1] > self._now)
            if not _record_holds(write.expect, held[0] if held and live else None):
                raise Conflict(ConflictKind.RECORD, f"{write.space}/{write.id}", position=position)
            if live and held is not None:
                revision = held[0] + 1
            else:  # above that of an expired record, too, so that its former owner stays fenced off
                revision = max(self.create_version, held[0] + 1 if held else 0)
            settled[place] = (*place, write.value, revision, write.expires_at) if write.value is not None else None
        return settled

    def _check_required(self, requires: tuple[tuple[str, Key], ...]) -> None:
        for position, place in enumerate(requires):
            if not self._documents.get(place, _ABSENT)[1]:
                raise Conflict(ConflictKind.REFERENCE, subject(*place), position=position)

    def _next_version(self, mutation: Mutation, stored: _Stored) -> int:
        version, live = stored
        if mutation.version is not None:
            return mutation.version
        if mutation.document is None and not live:
            return 0
        return next_version(version if live else None, last=version, least=self.create_version)

    def commit(self, units: list[PreparedUnit]) -> list[Committed | Conflict]:
        """Commit many units in the open transaction; those in conflict leave nothing."""
        self._load(unit for unit, _ in units)
        outcomes: list[Committed | Conflict] = []
        for prepared in units:
            try:
                outcomes.append(self._settle(prepared))
            except Conflict as conflict:
                outcomes.append(conflict)
        self._write()
        return outcomes

    def _write(self) -> None:
        execute = self._connection.executemany
        for resource, rows in self._rows.items():
            execute(self._tables[resource].write, rows.values())
        deleted = [place for place, row in self._record_writes.items() if row is None]
        written = [row for row in self._record_writes.values() if row is not None]
        if deleted:
            execute(_RECORD_DELETE, deleted)
        if written:
            execute(_RECORD_WRITE, written)
        if self._outbox:
            execute(_OUTBOX_WRITE, self._outbox)


def subject(resource: str, key: Key) -> str:
    """How a conflict names a document."""
    return "/".join([resource, *map(str, key)])


def _record_holds(expect: Expect | int, revision: int | None) -> bool:
    if expect is Expect.ANY:
        return True
    if expect is Expect.ABSENT:
        return revision is None
    if expect is Expect.PRESENT:
        return revision is not None
    return revision == expect


def _check_expected(mutation: Mutation, stored: _Stored, position: int) -> None:
    version, live = stored
    expect = mutation.expect
    if expect is Expect.ABSENT:
        kind = ConflictKind.EXISTS if live else None
    elif expect is Expect.ANY:
        kind = None
    elif not live:
        kind = ConflictKind.MISSING
    else:
        kind = None if expect is Expect.PRESENT or expect == version else ConflictKind.VERSION
    if kind is None and mutation.version is not None and mutation.version <= version:
        kind = ConflictKind.VERSION
    if kind is not None:
        found = version if kind is ConflictKind.VERSION else None
        raise Conflict(kind, subject(mutation.resource, mutation.key), position=position, version=found)
