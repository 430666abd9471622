"""Committing units: read what is stored, settle them (`stores/settling.py`), then write everything at once.

Each key is read at most once and written at most once per batch, with one statement per table.
"""

import sqlite3
from collections.abc import Iterable

from fairlead_workload.errors import Conflict
from fairlead_workload.sqlite import Lookup
from fairlead_workload.stores.base import Committed, Key, Unit
from fairlead_workload.stores.relational.layout import Layout, quoted
from fairlead_workload.stores.settling import Settling
from fairlead_workload.stores.sqlite.migration import OWN_COLUMNS, column_list
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


class Batch:
    """Units of one transaction. `create_version` is as in `Settling`."""

    def __init__(
        self, connection: sqlite3.Connection, tables: dict[str, Table], *, now: float, create_version: int
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._settling = Settling(now=now, create_version=create_version)

    @property
    def create_version(self) -> int:
        return self._settling.create_version

    def commit(self, units: list[PreparedUnit]) -> list[Committed | Conflict]:
        """Commit many units in the open transaction; those in conflict leave nothing."""
        self._load(unit for unit, _ in units)
        outcomes = self._settling.settle_all(units)
        self._write()
        return outcomes

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
        documents, held = self._settling.documents, self._settling.records
        for resource, wanted in keys.items():
            for version, live, *found in self._tables[resource].versions.rows(self._connection, list(wanted)):
                documents[resource, tuple(found)] = (version, bool(live))
        for space, id_, revision, expires_at in _RECORDS.rows(self._connection, list(records)):
            held[space, id_] = (revision, expires_at)

    def _write(self) -> None:
        settling, execute = self._settling, self._connection.executemany
        for resource, rows in settling.rows.items():
            execute(self._tables[resource].write, rows.values())
        deleted = [place for place, row in settling.record_writes.items() if row is None]
        written = [row for row in settling.record_writes.values() if row is not None]
        if deleted:
            execute(_RECORD_DELETE, deleted)
        if written:
            execute(_RECORD_WRITE, written)
        if settling.outbox:
            execute(_OUTBOX_WRITE, settling.outbox)
