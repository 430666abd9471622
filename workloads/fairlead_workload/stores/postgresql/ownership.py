"""Whose a schema is: a row in it, written once, that provisioning and teardown ask for before they change anything.

The row names the ApiService, and has a mark that is drawn when the schema is made. Whoever has seen the mark knows by
it that the schema is still the same one, and not another that was made, or restored from elsewhere, in its place.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead_workload.errors import Misconfigured
from fairlead_workload.stores.postgresql import tables
from fairlead_workload.stores.postgresql.binding import PATH, Owner
from fairlead_workload.stores.postgresql.causes import Reason
from fairlead_workload.stores.postgresql.connections import Connection
from fairlead_workload.stores.postgresql.dialect import DIALECT

MARKER = "_owner"
TABLES = ("r", "p")  # of pg_class.relkind
RELATIONS = (*TABLES, "v", "m", "f", "S")
_RELATIONS = (
    b"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    b" WHERE n.nspname = $1::text AND c.relkind::text = ANY($2::text[]) ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """Who made a schema; `mark` is another one for each schema that is made."""

    owner: Owner
    mark: str


async def exists(connection: Connection, schema: str) -> bool:
    """Whether there is a schema of that name."""
    found = await connection.execute(b"SELECT 1 FROM pg_namespace WHERE nspname = $1::text", (schema,))
    return await found.fetchone() is not None


async def relations(connection: Connection, schema: str, kinds: Sequence[str] = RELATIONS) -> list[str]:
    """The names of tables, views and sequences in a schema, or of some kinds of them, whoever made them."""
    cursor = await connection.execute(_RELATIONS, (schema, list(kinds)))
    return [name for (name,) in await cursor.fetchall()]


async def marker(connection: Connection, schema: str) -> Marker | None:
    """The marker of a schema; None when it has none."""
    # The catalogue shows everybody what there is; anything else would ask for rights on what is not ours.
    if MARKER not in await relations(connection, schema):
        return None
    cursor = await connection.execute(f"SELECT namespace, name, mark FROM {tables.name(schema, MARKER)}".encode())
    row = await cursor.fetchone()
    return None if row is None else Marker(Owner(row[0], row[1]), row[2])


async def claim(connection: Connection, schema: str, owner: Owner, *, expected: str = "") -> str:
    """The mark of the schema of `owner`; made and marked when there is none yet, or an empty one.

    `expected`: the mark that it must have. Raises `Misconfigured` for a schema that somebody else made, and for one
    that is not the expected one.
    """
    is_there = await exists(connection, schema)
    found = await marker(connection, schema) if is_there else None
    if found is not None and found.owner != owner:
        raise _not_ours(schema, f"belongs to the ApiService {found.owner}")
    if expected and (found is None or found.mark != expected):
        raise _changed(schema, "is gone" if found is None else "is another one")
    if found is not None:
        return found.mark
    if is_there and (others := await relations(connection, schema)):
        raise _not_ours(schema, f"was not made by Fairlead and has {_listed(others)}")
    if not is_there:
        await connection.execute(f"CREATE SCHEMA {DIALECT.quoted(schema)}".encode())
    return await _write(connection, schema, owner)


async def _write(connection: Connection, schema: str, owner: Owner) -> str:
    table, mark = tables.name(schema, MARKER), secrets.token_hex(8)
    await connection.execute(tables.create_owner(schema).encode())
    await connection.execute(
        f"INSERT INTO {table} (namespace, name, mark) VALUES ($1::text, $2::text, $3::text)".encode(),
        (owner.namespace, owner.name, mark),
    )
    return mark


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _not_ours(schema: str, what: str) -> Misconfigured:
    remedy = "rename it, ALTER SCHEMA ... RENAME TO ..., or name another database; nothing was changed"
    return Misconfigured(PATH, f"the schema {DIALECT.quoted(schema)} {what}", remedy, reason=Reason.SCHEMA_NOT_OURS)


def _changed(schema: str, what: str) -> Misconfigured:
    message = f"the schema {DIALECT.quoted(schema)} that was provisioned {what}"
    remedy = (
        "name the database that has it, or restore it; to begin with an empty one, delete the ApiService with"
        " deletionPolicy Retain and create it again"
    )
    return Misconfigured(PATH, message, remedy, reason=Reason.STORE_CHANGED)
