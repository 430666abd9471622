"""Bringing the schema of an ApiService to its resources, in one transaction: all of it, or nothing.

One at a time (`schema_changes`), and only in a schema of its owner's (`ownership`). Grown are columns and indexes;
documents that had a value under a new column's property are written again under the new layout. Pods that still have
the former layout go on: what they write is read by the number of the layout beside it, and `write_again` brings it to
the newest. A pod that meets a row of a newer layout takes that over (`adapter`).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import psycopg

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Misconfigured
from fairlead_workload.stores.postgresql import faults, ownership, tables
from fairlead_workload.stores.postgresql.binding import PATH, Owner
from fairlead_workload.stores.postgresql.causes import Reason
from fairlead_workload.stores.postgresql.connections import Connection, Server
from fairlead_workload.stores.postgresql.dialect import DIALECT
from fairlead_workload.stores.postgresql.schema_changes import changed
from fairlead_workload.stores.postgresql.statements import DocumentSql
from fairlead_workload.stores.relational.layout import Layout, plan
from fairlead_workload.stores.relational.migration import growth, outdated_condition
from fairlead_workload.stores.relational.rows import RowCodec
from fairlead_workload.stores.relational.statements import DELETED_AT, EXTRA, Table

OLDEST_SERVER = 130000
PAGE = 500
_NOBODY = Owner()
_FRESH = "an empty schema"
_encode = msgspec.json.Encoder().encode


async def provision(
    server: Server, schema: str, resources: Sequence[Resource], *, owner: Owner = _NOBODY, expected: str = ""
) -> str:
    """Bring `schema` to `resources`; made for `owner` when it is not there. Returns its mark, which must be `expected`
    where that is known.

    Raises `Misconfigured` for what cannot be grown to, for a server that cannot be used, and for a schema that is not
    `owner`'s; `Unavailable`.
    """

    async def migrate(connection: Connection) -> str:
        await _check_server(connection)
        mark = await ownership.claim(connection, schema, owner, expected=expected)
        for statement in tables.create_statements(schema):
            await connection.execute(statement.encode())
        former = await stored_layouts(connection, schema)
        for resource in resources:
            await _grow(connection, schema, resource, former.get(resource.name))
        return mark

    return await changed(server, schema, migrate)


async def _check_server(connection: Connection) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        what = f"the server has version {version // 10000}"
        raise Misconfigured(PATH, what, "use 13 or later", reason=Reason.SERVER_TOO_OLD)
    cursor = await connection.execute(b"SELECT current_setting('server_encoding')")
    row = await cursor.fetchone()
    if row != ("UTF8",):
        what = f"the database has the encoding {row and row[0]}"
        remedy = "name a database with the encoding UTF8"
        raise Misconfigured(f"{PATH}.database", what, remedy, reason=Reason.WRONG_ENCODING)


async def stored_layouts(connection: Connection, schema: str) -> dict[str, Layout]:
    """The layouts that the schema has, of all its resources; none when it was not provisioned."""
    table = tables.name(schema, "_layouts")
    there = await connection.execute(b"SELECT to_regclass($1::text) IS NOT NULL", (table,))
    if await there.fetchone() != (True,):
        return {}
    cursor = await connection.execute(f"SELECT resource, layout FROM {table}".encode())
    return {name: msgspec.json.decode(text, type=Layout) for name, text in await cursor.fetchall()}


def served_layouts(stored: dict[str, Layout], resources: Sequence[Resource]) -> list[Layout]:
    """The layouts by which a pod serves `resources`: the columns that there are, and the indexes of its own.

    Raises `Unavailable` when the schema has not been brought to them, `Misconfigured` when it cannot be.
    """
    layouts = []
    for resource in resources:
        found = stored.get(resource.name)
        layout = plan(resource, found, naming=DIALECT.name, fresh=_FRESH)
        if found is None or layout.columns != found.columns:
            raise faults.not_provisioned(f"the resource {resource.name} has no table, or one without its properties")
        layouts.append(layout)
    return layouts


async def _grow(connection: Connection, schema: str, resource: Resource, former: Layout | None) -> None:
    layout = plan(resource, former, naming=DIALECT.name, fresh=_FRESH)
    if layout == former:
        return
    documents = DocumentSql(Table(schema, layout, DIALECT))
    steps = growth(documents.table, former)
    for statement in steps.first:
        await connection.execute(statement.encode())
    if steps.takes_over and former is not None:
        async for rows in _pages(connection, Table(schema, former, DIALECT)):
            await _rewrite(connection, documents, RowCodec(former), rows)
    for statement in steps.last:
        await connection.execute(statement.encode())
    await connection.execute(
        f"INSERT INTO {tables.name(schema, '_layouts')} VALUES ($1::text, $2::json)"
        " ON CONFLICT (resource) DO UPDATE SET layout = excluded.layout".encode(),
        (resource.name, _encode(layout).decode()),
    )


async def _pages(connection: Connection, former: Table) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The rows that may have values that now belong into columns."""
    cursor = psycopg.AsyncRawServerCursor(connection, "fairlead_migration")
    async with cursor:
        await cursor.execute(
            f"SELECT {former.selected}, {DELETED_AT} FROM {former.name} WHERE {EXTRA} IS NOT NULL".encode()
        )
        while rows := await cursor.fetchmany(PAGE):
            yield rows


async def write_again(connection: Connection, documents: DocumentSql, limit: int) -> int:
    """Bring rows that were written under former layouts to the table's, in the open transaction. How many it were."""
    table = documents.table
    cursor = await connection.execute(
        f"SELECT {table.selected}, {DELETED_AT} FROM {table.name} WHERE {outdated_condition(table)}"
        " LIMIT $1::bigint FOR UPDATE SKIP LOCKED".encode(),
        (str(limit),),
    )
    rows = await cursor.fetchall()
    await _rewrite(connection, documents, documents.codec, rows)
    return len(rows)


async def _rewrite(
    connection: Connection, documents: DocumentSql, codec: RowCodec, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write rows that `codec` reads under the layout of `documents`; the documents stay as they are."""
    if not rows:
        return
    written = []
    for *row, deleted_at in rows:
        encoded = documents.codec.encode(codec.key_of(row), codec.decode(row))
        fields = {field: value for field, value in zip(documents.fields, encoded, strict=True) if value is not None}
        written.append({"new": False, "v": codec.record(row).version, "gone": deleted_at, **fields})
    await connection.execute(documents.write, (_encode(written).decode(),))
