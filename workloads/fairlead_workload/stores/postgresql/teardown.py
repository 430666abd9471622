"""Deleting the schema of an ApiService: only what Fairlead made goes, and only in a schema whose marker says so.

Tables of ours begin with an underscore, or are those of the layouts. What others made beside them, or what depends on
them elsewhere, is not deleted with them: then nothing is.
"""

from dataclasses import dataclass

import psycopg

from fairlead_workload.errors import Misconfigured
from fairlead_workload.stores.postgresql import migration, ownership, tables
from fairlead_workload.stores.postgresql.binding import PATH, Owner
from fairlead_workload.stores.postgresql.causes import Reason
from fairlead_workload.stores.postgresql.connections import Connection, Server
from fairlead_workload.stores.postgresql.dialect import DIALECT
from fairlead_workload.stores.postgresql.schema_changes import changed


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of a schema, for the report of the Job."""

    reason: Reason
    message: str


async def teardown(server: Server, schema: str, owner: Owner) -> Removal:
    """Delete `schema` if it is that of `owner`. Nothing there is success, and so is what is not ours: it stays.

    Raises `Misconfigured` for a schema in which others have tables, or depend on ours; `Unavailable`.
    """
    return await changed(server, schema, lambda connection: _remove(connection, schema, owner))


async def _remove(connection: Connection, schema: str, owner: Owner) -> Removal:
    quoted = DIALECT.quoted(schema)
    if not await ownership.exists(connection, schema):
        return Removal(Reason.DELETED, f"there is no schema {quoted}")
    found = await ownership.marker(connection, schema)
    if found is None:
        return Removal(Reason.SCHEMA_NOT_OURS, f"the schema {quoted} stays: it was not made by Fairlead")
    if found.owner != owner:
        return Removal(Reason.SCHEMA_NOT_OURS, f"the schema {quoted} stays: it belongs to the ApiService {found.owner}")
    ours = await _own_tables(connection, schema)
    try:
        await connection.execute(f"DROP TABLE {', '.join(tables.name(schema, table) for table in ours)}".encode())
        return await _drop_schema(connection, schema)
    except psycopg.errors.DependentObjectsStillExist as error:
        raise _in_use(schema, error.diag.message_primary or "others depend on it") from None


async def _own_tables(connection: Connection, schema: str) -> list[str]:
    """Every table in it, if all of them are ours."""
    documents = await migration.stored_layouts(connection, schema)
    found = await ownership.relations(connection, schema)
    others = [name for name in found if not name.startswith("_") and name not in documents]
    if others:
        raise _in_use(schema, f"it has what Fairlead did not make: {', '.join(others[:5])}")
    return await ownership.relations(connection, schema, ownership.TABLES)


async def _drop_schema(connection: Connection, schema: str) -> Removal:
    """The role may have been given a schema that is somebody else's."""
    quoted = DIALECT.quoted(schema)
    cursor = await connection.execute(
        b"SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1::text", (schema,)
    )
    if await cursor.fetchone() != (True,):
        what = f"the tables in {quoted} are deleted; the empty schema belongs to another role and stays"
        return Removal(Reason.DELETED, what)
    await connection.execute(f"DROP SCHEMA {quoted}".encode())
    return Removal(Reason.DELETED, f"the schema {quoted} is deleted")


def _in_use(schema: str, what: str) -> Misconfigured:
    message = f"the schema {DIALECT.quoted(schema)} cannot be deleted: {what}"
    remedy = "move or drop that, or delete the schema by hand; nothing was changed"
    return Misconfigured(PATH, message, remedy, reason=Reason.SCHEMA_IN_USE)
