"""Bringing a file to the layout of the resources, in one transaction: all of it, or the file stays as it was.

Grown are columns and indexes. A new column takes over what documents already had under its property; an index that is
no longer declared is dropped. The table of a resource that left the ApiService stays as it is. A server opens the file
alone: leases that it finds are those of one that was killed, and end.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.base import LEASES
from fairlead_workload.stores.relational.layout import Column, Index, Kind, Layout, plan, quoted
from fairlead_workload.stores.sqlite.rows import RowCodec

OWN_COLUMNS = ("_extra", "_version", "_deleted_at")
_SQL_TYPES = {
    Kind.TEXT: "TEXT",
    Kind.INTEGER: "INTEGER",
    Kind.NUMBER: "ANY",  # REAL would turn 1 into 1.0; ANY keeps both as they are and compares them by value
    Kind.BOOLEAN: "INTEGER",
    Kind.JSON: "TEXT",
    Kind.SCALAR: "ANY",
}
_FRESH = "an empty data directory"
_TABLES = """
CREATE TABLE IF NOT EXISTS _layouts (resource TEXT PRIMARY KEY, layout TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _records (
  space TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, revision INTEGER NOT NULL, expires_at REAL,
  PRIMARY KEY (space, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _records_expiry ON _records (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS _outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
  mutation INTEGER, version INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS _refused_events (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, mutation INTEGER,
  version INTEGER NOT NULL, reason TEXT NOT NULL, refused_at REAL NOT NULL
) STRICT;
"""


def migrate(connection: sqlite3.Connection, resources: Sequence[Resource]) -> dict[str, Layout]:
    """Bring the file to `resources` inside the open transaction. Raises `Misconfigured` for what cannot be grown to."""
    former = existing(connection, resources)
    connection.execute("UPDATE _records SET expires_at = 0 WHERE space = ?", (LEASES,))
    layouts = {resource.name: plan(resource, former.get(resource.name), fresh=_FRESH) for resource in resources}
    for name, layout in layouts.items():
        if layout != former.get(name):
            _grow(connection, layout, former.get(name))
            text = msgspec.json.encode(layout).decode()
            connection.execute("INSERT OR REPLACE INTO _layouts VALUES (?, ?)", (name, text))
    return layouts


def existing(connection: sqlite3.Connection, resources: Sequence[Resource]) -> dict[str, Layout]:
    """The layouts that the file has of `resources`, inside the open transaction."""
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    wanted = {resource.name for resource in resources}
    rows = connection.execute("SELECT resource, layout FROM _layouts")
    return {name: msgspec.json.decode(text, type=Layout) for name, text in rows if name in wanted}


def _grow(connection: sqlite3.Connection, layout: Layout, former: Layout | None) -> None:
    dropped = set(former.indexes) - set(layout.indexes) if former else set()
    for index in dropped:
        connection.execute(f"DROP INDEX {quoted(index.sql_name)}")
    if former is None:
        connection.execute(_create_table(layout))
    elif len(former.columns) < len(layout.columns):
        _add_columns(connection, layout, former)
    for index in layout.indexes:
        if former is None or index not in former.indexes:
            connection.execute(_create_index(layout, index))
    connection.execute(f"CREATE INDEX IF NOT EXISTS {_tombstones(layout)}")


def _create_table(layout: Layout) -> str:
    columns = [
        _definition(column) + (" NOT NULL" if column.property in layout.key else "") for column in layout.columns
    ]
    columns += ["_version INTEGER NOT NULL", "_deleted_at REAL", "_extra TEXT"]
    key = ", ".join(quoted(layout.column(property_).name) for property_ in layout.key)
    return f"CREATE TABLE {quoted(layout.table)} ({', '.join(columns)}, PRIMARY KEY ({key})) STRICT"


def _definition(column: Column) -> str:
    return f"{quoted(column.name)} {_SQL_TYPES[column.kind]}"


def _create_index(layout: Layout, index: Index) -> str:
    """Partial, so that a document without the index's properties is absent from it, as a deleted one is."""
    own = [quoted(layout.column(property_).name) for property_ in (index.partition, index.sort) if property_]
    key = [quoted(layout.column(property_).name) for property_ in layout.key]
    present = " AND ".join(f"{name} IS NOT NULL" for name in own)
    columns = ", ".join(dict.fromkeys(own + key))
    return (
        f"CREATE INDEX {quoted(index.sql_name)} ON {quoted(layout.table)} ({columns})"
        f" WHERE {present} AND _deleted_at IS NULL"
    )


def _tombstones(layout: Layout) -> str:
    name = quoted(f"_{layout.table}_tombstones")
    return f"{name} ON {quoted(layout.table)} (_deleted_at) WHERE _deleted_at IS NOT NULL"


def _add_columns(connection: sqlite3.Connection, layout: Layout, former: Layout) -> None:
    table = quoted(layout.table)
    for column in layout.columns[len(former.columns) :]:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {_definition(column)}")
    before, after = RowCodec(former), RowCodec(layout)
    selected = ", ".join([quoted(column.name) for column in former.columns] + ["_extra"])
    rows = connection.execute(f"SELECT {selected} FROM {table} WHERE _extra IS NOT NULL").fetchall()  # noqa: S608
    assigned = ", ".join([f"{quoted(column.name)} = ?" for column in layout.columns] + ["_extra = ?"])
    matched = " AND ".join(f"{quoted(layout.column(property_).name)} = ?" for property_ in layout.key)
    size = len(layout.key)
    connection.executemany(
        f"UPDATE {table} SET {assigned} WHERE {matched}",  # noqa: S608
        ((*after.encode(before.key_of(row), before.decode(row)), *row[:size]) for row in rows),
    )


def column_list(layout: Layout) -> str:
    """Every column of a row as `units` writes it: the layout's, `_extra`, `_version`, `_deleted_at`."""
    return ", ".join([quoted(column.name) for column in layout.columns] + list(OWN_COLUMNS))
